"""Delays need no leader: where none is seen for ten seconds, a worker does the chores, and says so once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from schedules.testing import ManualClock
from tests.app.tasks import leave_trace
from tests.conformance.worker.process.workers import Crew, heard, sleeps, unled
from tests.conformance.worker.queue.jobs import ALIAS, claim, claim_one, enqueue, living_worker, state_of
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
    """One that gives signs of life when a test says so."""

    def __init__(self) -> None:
        self.signs = 0

    def live(self) -> None:
        self.signs += 1

    def last_sign(self, using: str) -> int:
        return self.signs


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def leader() -> Leader:
    return Leader()


@pytest.fixture
def deputy(leader: Leader, clock: ManualClock) -> Deputy:
    return Deputy(leader.last_sign, clock, at_once=False)


@pytest.fixture
def at_once(leader: Leader, clock: ManualClock) -> Deputy:
    return Deputy(leader.last_sign, clock, at_once=True)


@pytest.fixture
def warnings() -> Iterator[Told]:
    with heard(signals.leader_missing) as told:
        yield told


def due(time: str = "10:00") -> int:
    return enqueue(state=JobState.SCHEDULED, run_at=at(time))


def pass_by(deputy: Deputy, clock: ManualClock, seconds: int) -> datetime | None:
    """So much time passes, in which the worker takes a turn each second. Gives what the last one gave."""
    answer = None
    for _ in range(seconds):
        answer = deputy.do(ALIAS, NOW)
        clock.advance(1)
    return answer


def test_with_a_leader_a_worker_leaves_the_chores_to_it(
    deputy: Deputy, leader: Leader, clock: ManualClock, warnings: Told
) -> None:
    id = due()

    for _ in range(60):
        clock.advance(1)
        if clock.monotonic() % 8 == 0:
            leader.live()
        assert deputy.do(ALIAS, NOW) is None

    assert state_of(id) == "scheduled"
    assert warnings == []


def test_a_worker_waits_ten_seconds_for_a_leader_and_then_does_the_chores(deputy: Deputy, clock: ManualClock) -> None:
    id, later = due(), due("10:05")

    assert pass_by(deputy, clock, seconds=10) is None
    assert state_of(id) == "scheduled"
    assert pass_by(deputy, clock, seconds=1) == at("10:05")

    assert (state_of(id), state_of(later)) == ("ready", "scheduled")


def test_a_missing_leader_is_told_once_and_again_when_one_was_there_between(
    deputy: Deputy, leader: Leader, clock: ManualClock, warnings: Told
) -> None:
    pass_by(deputy, clock, seconds=30)
    assert len(warnings) == 1

    leader.live()
    pass_by(deputy, clock, seconds=30)
    assert len(warnings) == 2


def test_a_deputy_steps_back_when_a_leader_is_there(deputy: Deputy, leader: Leader, clock: ManualClock) -> None:
    pass_by(deputy, clock, seconds=20)
    assert deputy.acting
    leader.live()
    pass_by(deputy, clock, seconds=2)
    id = due()

    pass_by(deputy, clock, seconds=8)

    assert state_of(id) == "scheduled"


def test_a_deputy_that_was_stopped_waits_ten_seconds_from_when_it_goes_on(deputy: Deputy, clock: ManualClock) -> None:
    """So was the leader, if all of the host was."""
    pass_by(deputy, clock, seconds=4)
    clock.advance(60)

    pass_by(deputy, clock, seconds=9)
    assert not deputy.acting
    pass_by(deputy, clock, seconds=2)
    assert deputy.acting


def test_where_no_leader_is_seen_the_dead_are_looked_for_twice_in_a_heartbeat(
    deputy: Deputy, clock: ManualClock, settings: Settings
) -> None:
    """More seldom, what was seen would count for nothing: the living may have been stopped in between."""
    settings.SCHEDULER = {"HEARTBEAT": 0.5, "RESCUE_AFTER": 2}
    id = enqueue()
    claim(worker_id=living_worker())
    deputy.begin_session()

    for _ in range(40):
        deputy.do(ALIAS, NOW)
        clock.advance(0.1)

    assert state_of(id) == "ready"
    assert not deputy.acting


def test_a_deputy_that_acts_goes_on_when_its_database_was_away(deputy: Deputy, clock: ManualClock) -> None:
    pass_by(deputy, clock, seconds=12)
    id = due()

    deputy.begin_session()
    deputy.do(ALIAS, NOW)

    assert state_of(id) == "ready"


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


def test_the_chores_prune_now_and_then(clock: ManualClock, settings: Settings) -> None:
    settings.SCHEDULER = {"KEEP_FINISHED": timedelta(days=7)}
    its = Chores(clock)
    its.do(ALIAS, NOW)
    old = enqueue()
    queue.ack(ALIAS, [Ended(claim_one(), Succeeded(), NOW, NOW - timedelta(days=7, seconds=1))])

    clock.advance(599)
    its.do(ALIAS, NOW)
    assert state_of(old) == "succeeded"
    clock.advance(1)
    its.do(ALIAS, NOW)
    assert state_of(old) is None


def test_chores_forget_nothing_that_is_to_be_kept(clock: ManualClock, settings: Settings) -> None:
    settings.SCHEDULER = {"KEEP_FINISHED": timedelta(days=7)}
    id = enqueue()
    queue.ack(ALIAS, [Ended(claim_one(), Succeeded(), NOW, NOW - timedelta(days=7))])

    Chores(clock).do(ALIAS, NOW)

    assert state_of(id) == "succeeded"


def test_delayed_jobs_and_retries_run_under_a_worker_alone(
    crew: Crew, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.2}
    monkeypatch.setattr(deputies, "LEADER_MISSED_AFTER", 0.5)
    monkeypatch.setattr(deputies, "LOOK_FOR_LEADER_EVERY", 0.05)
    delayed = leave_trace.using(schedule=2).enqueue("later").pk

    with heard(signals.leader_missing) as told, sleeps(monkeypatch) as slept:
        crew.start(leader_sign=unled, longest_sleep=30)
        eventually(lambda: state_of(delayed) == "succeeded", within=30)

    row = FinishedJob.objects.get(pk=delayed)
    assert row.started_at is not None
    assert row.started_at >= row.run_at
    assert all(each.seconds <= max(0.0, (each.due - each.now).total_seconds()) for each in slept if each.due)
    assert len(told) == 1


def test_a_ready_job_does_not_wait_for_the_chores_of_a_deputy(
    crew: Crew, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.2}
    monkeypatch.setattr(deputies, "LEADER_MISSED_AFTER", 0.5)
    monkeypatch.setattr(deputies, "LOOK_FOR_LEADER_EVERY", 0.05)
    monkeypatch.setattr(deputies, "ACT_EVERY", 0.0)
    ids, found = list[int](), list[str | None]()

    class Between(threading.Event):
        """Between two turns there is a job, once."""

        def wait(self, timeout: float | None = None) -> bool:
            if ids:
                return super().wait(timeout)
            ids.append(leave_trace("ready").pk)
            return True

    def look(using: str, now: datetime) -> None:
        found.extend(map(state_of, ids))

    hand = crew.start(leader_sign=unled)
    eventually(lambda: hand.works and hand.worker.loop and hand.loop.deputy.acting)
    monkeypatch.setattr(hand.loop.deputy.chores, "do", look)
    monkeypatch.setattr(hand.loop, "news", Between())
    eventually(lambda: found)

    assert found[0] != "ready"
