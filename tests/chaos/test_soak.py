"""Everything at once and for long: load, schedules, and whatever befalls processes, database and rows. `make soak`.

Two processes are never killed, to see whether their memory grows.
"""

from __future__ import annotations

import random
import time

import pytest
from django.db import connection

from schedules.models import Schedule
from tests.chaos import figures, scale
from tests.chaos.audit import assert_ledger_is_the_grid, audit
from tests.chaos.clocks import SettableClock
from tests.chaos.crew import SECONDS_TO_START, Crew, mib_of, says, stop, wait_until_drained
from tests.chaos.mishaps import OLD, Mishaps
from tests.chaos.tasks import count, fail_at_first
from tests.processes import eventually
from worker.models import FinishedJob, FinishedState

SCHEDULES = 20
CALLS = 50
"""A second; each tenth fails at first, each fifth is delayed."""
ROUND = 5.0
"""Seconds from one mishap to the next."""
SAMPLES = 10
MOST_GROWTH = 1.1
"""Of the memory of a process, from the middle of the run to its end."""

pytestmark = pytest.mark.skipif(not scale.SOAK_SECONDS, reason="runs by `make soak`")


def test_after_all_that_can_happen_nothing_is_lost_and_memory_is_flat(crew: Crew, clock: SettableClock) -> None:
    crew.scheduler = {"HEARTBEAT": 1, "RESCUE_AFTER": 4}
    crew.schedules = {
        f"schedule {number}": {"task": "tests.chaos.tasks.count", "repeat": 1, "args": ["s"], "overlap": "allow"}
        for number in range(SCHEDULES)
    }
    spared = [crew.worker(), crew.leader("--leader-only")]
    doomed = [crew.worker(), crew.leader()]
    leaders = (spared[1], doomed[1])
    eventually(lambda: any(says(each, "elected, term")() for each in leaders), within=SECONDS_TO_START)
    mishaps = Mishaps(crew, spared, doomed, random.Random(1), clock=clock, old=scale.OLD_JOBS)

    labels, memory = _soak(mishaps)

    mishaps.end()
    last = crew.leader("--leader-only")
    stop(spared[1], doomed[1])
    eventually(says(last, "elected, term"), within=SECONDS_TO_START)
    eventually(lambda: not FinishedJob.objects.filter(task=OLD).exists(), within=120)
    stop(last, doomed[0])
    wait_until_drained()
    stop(spared[0])
    result = audit(labels)
    figures.told.append(f"{connection.vendor}: {scale.SOAK_SECONDS:.0f} s of soak: {result}")
    figures.told.append(f"What befell it: {mishaps.befell}")
    for process, samples in zip(("worker", "leader"), zip(*memory, strict=True), strict=True):
        figures.told.append(f"MiB of the {process} that was spared: {', '.join(f'{each:.1f}' for each in samples)}")
        assert samples[-1] <= MOST_GROWTH * samples[len(samples) // 2]
    assert result.finished == result.accepted
    assert not FinishedJob.objects.exclude(state=FinishedState.SUCCEEDED).exists()
    assert "silent too long" not in spared[0].output, "it lives all the time"
    for schedule in Schedule.objects.all():
        assert_ledger_is_the_grid(schedule)


def _soak(mishaps: Mishaps) -> tuple[list[str], list[list[float]]]:
    """Returns what was called, and the memory of the spared at times."""
    began = time.monotonic()
    labels: list[str] = []
    memory: list[list[float]] = []
    while (elapsed := time.monotonic() - began) < scale.SOAK_SECONDS:
        if elapsed >= scale.SOAK_SECONDS * len(memory) / SAMPLES:
            memory.append([mib_of(each) for each in mishaps.spared])
        labels += _call(len(labels), round(CALLS * ROUND))
        mishaps.next()
        eventually(lambda until=began + elapsed + ROUND: time.monotonic() >= until, within=60)  # type: ignore[misc]
    return labels, [*memory, [mib_of(each) for each in mishaps.spared]]


def _call(first: int, number: int) -> list[str]:
    labels = [f"call {n}" for n in range(first, first + number)]
    fail_at_first.enqueue_many([((label,), {}) for label in labels[::10]])
    later = [label for n, label in enumerate(labels) if n % 5 == 1]
    count.using(schedule=2).enqueue_many([((label,), {}) for label in later])
    count.enqueue_many([((label,), {}) for n, label in enumerate(labels) if n % 10 and n % 5 != 1])
    return labels
