"""Everything at once and for long: load, schedules, and processes that are killed or stopped at random. `make soak`.

Two processes are spared, to see whether their memory grows.
"""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from django.db import connection

from schedules.models import Schedule
from tests.chaos import figures
from tests.chaos.audit import assert_ledger_is_the_grid, audit
from tests.chaos.crew import SECONDS_TO_START, Crew, mib_of, says, stop, wait_until_drained
from tests.chaos.tasks import count, fail_at_first
from tests.processes import Process, eventually
from worker.models import FinishedJob, FinishedState

SECONDS = float(os.environ.get("CARILLON_SOAK_SECONDS", "0"))
SCHEDULES = 20
CALLS = 50
"""A second; each tenth fails at first, each fifth is delayed."""
ROUND = 5.0
"""Seconds from one mishap to the next."""
SAMPLES = 10
MOST_GROWTH = 1.1
"""Of the memory of a process, from the middle of the run to its end."""

MISHAPS = {
    "sqlite": ["kill"],  # one that is stopped while it writes would keep everybody from writing
    "postgresql": ["kill", "stop", "go on"],
    "mysql": ["kill", "stop", "go on"],
}

pytestmark = pytest.mark.skipif(not SECONDS, reason="runs by `make soak`")


def test_after_all_that_can_happen_nothing_is_lost_and_memory_is_flat(crew: Crew) -> None:
    crew.scheduler = {"HEARTBEAT": 1, "RESCUE_AFTER": 4}
    crew.schedules = {
        f"schedule {number}": {"task": "tests.chaos.tasks.count", "repeat": 1, "args": ["s"], "overlap": "allow"}
        for number in range(SCHEDULES)
    }
    spared = [crew.worker(), crew.start("process_tasks", "--leader-only", "--leader")]
    doomed = [crew.worker(), crew.leader()]
    eventually(lambda: any(says(each, "elected, term")() for each in (spared[1], doomed[1])), within=SECONDS_TO_START)

    labels, memory = _soak(crew, spared, doomed)

    for each in doomed:
        each.send(signal.SIGCONT)
    stop(spared[1], doomed[1], doomed[0])
    wait_until_drained()
    stop(spared[0])
    result = audit(labels)
    figures.told.append(f"{connection.vendor}: {SECONDS:.0f} s of soak: {result}")
    for process, samples in zip(("worker", "leader"), zip(*memory, strict=True), strict=True):
        figures.told.append(f"MiB of the {process} that was spared: {', '.join(f'{each:.1f}' for each in samples)}")
        assert samples[-1] <= MOST_GROWTH * samples[len(samples) // 2]
    assert result.finished == result.accepted
    assert not FinishedJob.objects.exclude(state=FinishedState.SUCCEEDED).exists()
    for schedule in Schedule.objects.all():
        assert_ledger_is_the_grid(schedule)


def _soak(crew: Crew, spared: list[Process], doomed: list[Process]) -> tuple[list[str], list[list[float]]]:
    """Returns what was called, and the memory of the spared at times."""
    began = time.monotonic()
    chance = random.Random(1)
    labels: list[str] = []
    memory: list[list[float]] = []
    while (elapsed := time.monotonic() - began) < SECONDS:
        if elapsed >= SECONDS * len(memory) / SAMPLES:
            memory.append([mib_of(each) for each in spared])
        labels += _call(len(labels), round(CALLS * ROUND))
        _mishap(crew, doomed, chance)
        eventually(lambda until=began + elapsed + ROUND: time.monotonic() >= until, within=60)  # type: ignore[misc]
    return labels, [*memory, [mib_of(each) for each in spared]]


def _call(first: int, number: int) -> list[str]:
    labels = [f"call {n}" for n in range(first, first + number)]
    fail_at_first.enqueue_many([((label,), {}) for label in labels[::10]])
    later = [label for n, label in enumerate(labels) if n % 5 == 1]
    count.using(schedule=2).enqueue_many([((label,), {}) for label in later])
    count.enqueue_many([((label,), {}) for n, label in enumerate(labels) if n % 10 and n % 5 != 1])
    return labels


def _mishap(crew: Crew, doomed: list[Process], chance: random.Random) -> None:
    """One of the doomed is killed, and replaced; or it is stopped for long enough to be taken for dead, or goes on."""
    number = chance.randrange(len(doomed))
    match chance.choice(MISHAPS[connection.vendor]):
        case "kill":
            doomed[number].kill()
            doomed[number] = crew.worker() if number == 0 else crew.leader()
        case "stop":
            doomed[number].send(signal.SIGSTOP)
        case "go on":
            for each in doomed:
                each.send(signal.SIGCONT)
