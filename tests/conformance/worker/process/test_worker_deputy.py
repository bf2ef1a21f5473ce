"""Delays need no leader: where none is seen for ten seconds, a worker does the chores, and says so once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from schedules.testing import ManualClock
from tests.app.tasks import leave_trace
from tests.conformance.worker.process.workers import Crew, heard
from tests.conformance.worker.queue.jobs import ALIAS, claim, claim_one, enqueue, silent_worker, state_of
from tests.processes import eventually
from tests.schedules.recurrence.moments import at
from worker import queue, signals
from worker.chores import Chores
from worker.models import FinishedJob, JobState
from worker.outcomes import Succeeded
from worker.process import deputy as deputies
from worker.process.deputy import Deputy
from worker.values import Ended

pytestmark = pytest.mark.usefixtures("database")

NOW = at("10:00")
Told = list[dict[str, Any]]


class Leader:
    """One that gave no sign of life for long, unless a test says when it did."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.heard_at = -1000.0

    def silence(self, using: str) -> float:
        return self.clock.monotonic() - self.heard_at


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def leader(clock: ManualClock) -> Leader:
    return Leader(clock)


@pytest.fixture
def deputy(leader: Leader, clock: ManualClock) -> Deputy:
    return Deputy(leader.silence, clock, at_once=False)


@pytest.fixture
def at_once(leader: Leader, clock: ManualClock) -> Deputy:
    return Deputy(leader.silence, clock, at_once=True)


@pytest.fixture
def warnings() -> Iterator[Told]:
    with heard(signals.leader_missing) as told:
        yield told


def due(time: str = "10:00") -> int:
    return enqueue(state=JobState.SCHEDULED, run_at=at(time))


def test_with_a_leader_a_worker_leaves_the_chores_to_it(
    deputy: Deputy, leader: Leader, clock: ManualClock, warnings: Told
) -> None:
    id = due()

    for _ in range(60):
        clock.advance(1)
        leader.heard_at = clock.monotonic() - 9
        assert deputy.do(ALIAS, NOW) is None

    assert state_of(id) == "scheduled"
    assert warnings == []


def test_a_worker_waits_ten_seconds_for_a_leader_and_then_does_the_chores(deputy: Deputy, clock: ManualClock) -> None:
    id, later = due(), due("10:05")

    clock.advance(9.9)
    assert deputy.do(ALIAS, NOW) is None
    assert state_of(id) == "scheduled"
    clock.advance(2.2)
    assert deputy.do(ALIAS, NOW) == at("10:05")

    assert (state_of(id), state_of(later)) == ("ready", "scheduled")


def test_a_missing_leader_is_told_once_and_again_when_one_was_there_between(
    deputy: Deputy, leader: Leader, clock: ManualClock, warnings: Told
) -> None:
    for _ in range(30):
        clock.advance(1)
        deputy.do(ALIAS, NOW)
    assert len(warnings) == 1

    leader.heard_at = clock.monotonic()
    for _ in range(30):
        clock.advance(1)
        deputy.do(ALIAS, NOW)
    assert len(warnings) == 2


def test_a_deputy_steps_back_when_a_leader_is_there(deputy: Deputy, leader: Leader, clock: ManualClock) -> None:
    clock.advance(20)
    assert deputy.do(ALIAS, NOW) is None
    id = due()

    leader.heard_at = clock.monotonic()
    clock.advance(2)
    deputy.do(ALIAS, NOW)

    assert state_of(id) == "scheduled"


def test_at_once_means_at_once_and_without_a_warning(at_once: Deputy, warnings: Told) -> None:
    id = due()

    at_once.do(ALIAS, NOW)

    assert state_of(id) == "ready"
    assert warnings == []


def test_a_deputy_looks_when_the_next_job_is_due_even_if_it_has_just_looked(at_once: Deputy) -> None:
    id = due("10:00:01")

    assert at_once.do(ALIAS, NOW) == at("10:00:01")
    assert at_once.do(ALIAS, at("10:00:01")) is None

    assert state_of(id) == "ready"


def test_the_chores_rescue_and_prune_now_and_then(clock: ManualClock, settings: Settings) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 4, "RESCUE_AFTER": 20, "KEEP_FINISHED": timedelta(days=7)}
    its = Chores(clock, at_once=True)
    its.do(ALIAS, NOW)
    old, orphan = enqueue(), enqueue()
    (first,) = claim(1)
    queue.ack(ALIAS, [Ended(first, Succeeded(), NOW, NOW - timedelta(days=7, seconds=1))])
    claim(worker_id=silent_worker(seconds=60))

    clock.advance(1.9)
    its.do(ALIAS, NOW)
    assert (state_of(old), state_of(orphan)) == ("succeeded", "running")
    clock.advance(0.2)
    its.do(ALIAS, NOW)
    assert (state_of(old), state_of(orphan)) == ("succeeded", "ready")
    clock.advance(600)
    its.do(ALIAS, NOW)
    assert state_of(old) is None


def test_who_has_just_come_takes_nobody_for_dead_before_two_heartbeats(clock: ManualClock, settings: Settings) -> None:
    """The others may have been kept from the database as well, and come back a little later."""
    settings.SCHEDULER = {"HEARTBEAT": 4, "RESCUE_AFTER": 20}
    orphan, its = enqueue(), Chores(clock)
    claim(worker_id=silent_worker(seconds=60))

    clock.advance(7.9)
    its.do(ALIAS, NOW)
    assert state_of(orphan) == "running"
    clock.advance(0.2)
    its.do(ALIAS, NOW)
    assert state_of(orphan) == "ready"


def test_a_deputy_whose_database_was_away_takes_nobody_for_dead_at_once(deputy: Deputy, clock: ManualClock) -> None:
    orphan = enqueue()
    claim(worker_id=silent_worker(seconds=60))
    clock.advance(60)

    deputy.begin_session()
    deputy.do(ALIAS, NOW)
    assert state_of(orphan) == "running"
    clock.advance(10.1)
    deputy.do(ALIAS, NOW)
    assert state_of(orphan) == "ready"


def test_chores_forget_nothing_that_is_to_be_kept(clock: ManualClock, settings: Settings) -> None:
    settings.SCHEDULER = {"KEEP_FINISHED": timedelta(days=7)}
    id = enqueue()
    queue.ack(ALIAS, [Ended(claim_one(), Succeeded(), NOW, NOW - timedelta(days=7))])

    Chores(clock).do(ALIAS, NOW)

    assert state_of(id) == "succeeded"


def test_delayed_jobs_and_retries_run_under_a_worker_alone(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deputies, "LEADER_MISSED_AFTER", 0.1)
    monkeypatch.setattr(deputies, "LOOK_FOR_LEADER_EVERY", 0.05)
    delayed = leave_trace.using(schedule=0.5).enqueue("later").pk

    with heard(signals.leader_missing) as told:
        crew.start(leader_silence=lambda using: float("inf"), longest_sleep=30)
        eventually(lambda: state_of(delayed) == "succeeded")

    row = FinishedJob.objects.get(pk=delayed)
    assert row.started_at is not None
    assert 0 <= (row.started_at - row.run_at).total_seconds() < 1
    assert len(told) == 1
