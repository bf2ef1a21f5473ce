"""The whole, driven at random beside a model of it; and that the machine which does so finds what is broken.

`CARILLON_MODEL_EXAMPLES` says how many stories to try (`make check-model`); the default is a taste.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import IntegrityError
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from schedules import changes, ledger, materialize
from schedules import row as row_verbs
from schedules.models import Occurrence
from tests.conformance.machine import Machine
from tests.conformance.virtual import VirtualClock
from worker import queue
from worker.models import Job, JobState
from worker.queue import Ended

EXAMPLES = int(os.environ.get("CARILLON_MODEL_EXAMPLES", "0"))
TASTE, UNTIL_FOUND = 14, 200


@pytest.fixture
def clock(database: None, monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    return VirtualClock(monkeypatch)


def drive(clock: VirtualClock, examples: int, phases: Sequence[Phase], *, derandomize: bool = True) -> None:
    run_state_machine_as_test(
        lambda: Machine(clock),  # type: ignore[arg-type]  # whatever makes one will do
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            derandomize=derandomize,
            phases=phases,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_happens_jobs_and_ledger_are_as_the_model_says(clock: VirtualClock) -> None:
    drive(clock, EXAMPLES or TASTE, (Phase.generate, Phase.shrink), derandomize=not EXAMPLES)


# Broken on purpose

Break = Callable[[pytest.MonkeyPatch], None]


def an_ack_names_no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    ack = queue.ack

    def unfenced(using: str, ended: Sequence[Ended], worker: str = "") -> list[Ended]:
        held = dict(Job.objects.filter(state=JobState.RUNNING).values_list("pk", "claim"))
        return ack(
            using, [Ended(job._replace(claim=held.get(job.id) or job.claim), *rest) for job, *rest in _fields(ended)]
        )

    monkeypatch.setattr(queue, "ack", unfenced)


def _fields(ended: Sequence[Ended]) -> list[tuple[Any, ...]]:
    return [(each.job, each.outcome, each.started_at, each.finished_at) for each in ended]


def a_rescued_job_keeps_its_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "UNHELD", {"worker_id": None, "claimed_at": None})


def a_retry_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_schedule_again", lambda using, job: True)


def who_waits_does_not_wait_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        queue, "_next_in_line", lambda using, now: Job.objects.using(using).filter(state="waiting", run_at__lte=now)
    )


def a_revision_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materialize, "_unchanged", lambda using, schedules: {each.id for each in schedules})


def an_occurrence_may_have_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the compared revision, for behind that wall the other is never reached."""
    a_revision_is_not_compared(monkeypatch)
    write = ledger.write

    def unless_there_is_one(lines: Sequence[ledger.Line], using: str) -> None:
        known = set(Occurrence.objects.using(using).values_list("schedule_id", "kind", "scheduled_for"))
        write([line for line in lines if line[:3] not in known], using)

    monkeypatch.setattr(ledger, "write", unless_there_is_one)


def an_unfinished_run_is_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materialize, "_unfinished", lambda using, schedules: {})


def what_a_pause_held_back_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "settle_paused", lambda row, using, now: row_verbs.put(row, using, settled_until=now))


@pytest.mark.only_on("sqlite")  # it is the machine that is tried here, and it is the same on all
@pytest.mark.parametrize(
    "broken",
    [
        an_ack_names_no_fence,
        a_rescued_job_keeps_its_fence,
        a_retry_is_dropped,
        who_waits_does_not_wait_its_turn,
        a_revision_is_not_compared,
        an_occurrence_may_have_two_lines,
        an_unfinished_run_is_overlooked,
        what_a_pause_held_back_is_forgotten,
    ],
)
def test_the_machine_finds_out_when(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, broken: Break) -> None:
    broken(monkeypatch)

    with pytest.raises((AssertionError, IntegrityError)):
        drive(clock, UNTIL_FOUND, [Phase.generate])
