"""The upkeep of the queue, a portion at a time: whoever does it is soon free again, and no chore keeps out another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection

from schedules.testing import ManualClock
from tests.clocks import PassingClock
from tests.conformance.worker.process.workers import Crew, heard
from tests.conformance.worker.queue.jobs import ALIAS, claimed_by_the_dead, in_history, new
from tests.schedules.recurrence.moments import at
from worker import chores as worker_chores
from worker import erasure, queue, signals
from worker import rescue as rescues
from worker.chores import LATEST_BEGIN, Chores
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobState
from worker.process.deputy import ACT_EVERY, Deputy

pytestmark = pytest.mark.usefixtures("database")

NOW = at("10:00")
EVERY = 60.0


class Work:
    """A chore of so many portions. `done`: the names of those that were done by any of them."""

    done: list[str]

    def __init__(self, name: str, portions: int, done: list[str]) -> None:
        self.__name__ = name
        self.portions = portions
        self.done = done

    def __call__(self, using: str, now: datetime) -> Iterator[None]:
        for _ in range(self.portions):
            self.done.append(self.__name__)
            yield


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def test_a_chore_is_done_to_its_end_and_again_after_a_while(clock: ManualClock) -> None:
    done: list[str] = []
    its = Chores(clock)
    its.add(Work("sweep", 3, done), EVERY)

    its.keep(ALIAS, NOW)
    assert len(done) == 3
    clock.advance(EVERY - 1)
    its.keep(ALIAS, NOW)
    assert len(done) == 3
    clock.advance(1)
    its.keep(ALIAS, NOW)
    assert len(done) == 6


def test_a_turn_is_soon_over_and_the_next_one_goes_on(clock: ManualClock) -> None:
    done: list[str] = []
    its = Chores(PassingClock(step=LATEST_BEGIN / 4))
    its.add(Work("sweep", 20, done), EVERY)
    turns = 0

    while len(done) < 20:
        before = len(done)
        its.keep(ALIAS, NOW)
        turns += 1
        assert len(done) - before <= 3

    assert turns > 6


def test_chores_take_turns_and_none_waits_for_the_end_of_another() -> None:
    done: list[str] = []
    its = Chores(PassingClock(step=LATEST_BEGIN / 4))
    its.add(Work("long", 1000, done), EVERY)
    its.add(Work("short", 3, done), EVERY)

    for _ in range(10):
        its.keep(ALIAS, NOW)

    assert done.count("short") == 3
    assert done.index("short") < 5


def test_what_is_left_is_wanted_at_once(clock: ManualClock) -> None:
    its = Chores(clock)
    its.keep(ALIAS, NOW)
    assert its.wanted_at > clock.monotonic()

    its.add(Work("sweep", 1, []), EVERY)

    assert its.wanted_at <= clock.monotonic()


def test_a_chore_that_the_database_refuses_is_told_and_keeps_out_no_other(clock: ManualClock) -> None:
    done: list[str] = []
    refusals = 0

    def mend_the_roof(using: str, now: datetime) -> Iterator[None]:
        nonlocal refusals
        refusals += 1
        yield
        raise IntegrityError("there is no roof")

    its = Chores(clock)
    its.add(mend_the_roof, EVERY)
    its.add(Work("sweep", 3, done), EVERY)

    with heard(signals.chore_refused) as told:
        its.keep(ALIAS, NOW)
        its.keep(ALIAS, NOW)

    assert len(done) == 3
    assert [(each["chore"], str(each["error"]), each["retry_in"]) for each in told] == [
        ("mend the roof", "there is no roof", EVERY)
    ]
    clock.advance(EVERY)
    its.keep(ALIAS, NOW)
    assert refusals == 2


def test_a_chore_in_which_the_session_is_lost_says_so(clock: ManualClock) -> None:
    def fall(using: str, now: datetime) -> Iterator[None]:
        raise OperationalError("the server is gone")
        yield

    its = Chores(clock)
    its.add(fall, EVERY)

    with pytest.raises(OperationalError):
        its.keep(ALIAS, NOW)


def test_a_worker_until_idle_prunes_to_the_end(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "PORTION", 1)
    monkeypatch.setattr(worker_chores, "LATEST_BEGIN", 0)
    long_ago = database_now(ALIAS) - timedelta(days=400)
    for id in range(1, 6):
        in_history(id)
    FinishedJob.objects.update(finished_at=long_ago)

    crew.work_until_idle()

    assert not FinishedJob.objects.exists()


def test_a_deputy_does_as_much_in_a_turn_as_a_leader() -> None:
    done: list[str] = []
    clock = PassingClock(step=LATEST_BEGIN / 4)
    deputy = Deputy(lambda using: None, clock, at_once=True)
    deputy.chores.add(Work("sweep", 20, done), EVERY)
    turns = 0

    while len(done) < 20:
        assert deputy.has_more_to_do
        assert deputy.wanted_at - clock.monotonic() <= ACT_EVERY
        before = len(done)
        deputy.do(ALIAS, NOW)
        turns += 1
        assert len(done) - before <= 3
        clock.advance(ACT_EVERY)

    assert turns > 6


@pytest.mark.parametrize("kind", ["promotes", "keeps"])
def test_a_turn_with_everything_to_do_is_as_short_as_any_and_all_gets_done(
    kind: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement that changes much takes most of the time after which no portion is begun; others take none."""
    for place, most in ((queue, "MOST_PROMOTED"), (rescues, "MOST_JOBS"), (erasure, "PORTION")):
        monkeypatch.setattr(place, most, 5)
    several = 20
    queue.enqueue_many([new(n) for n in range(several)], ALIAS)
    claimed_by_the_dead()
    for id in range(-several, 0):
        in_history(id)
    FinishedJob.objects.update(finished_at=NOW - timedelta(days=400))
    if kind == "promotes":
        queue.enqueue_many([new(n, state=JobState.SCHEDULED, run_at=NOW) for n in range(several)], ALIAS)
    its, turns = Chores(clock), 0

    def take_time(execute: Callable[..., Any], sql: str, *others: Any) -> Any:
        if sql.startswith(("UPDATE", "DELETE", "WITH due")):
            clock.advance(0.8 * LATEST_BEGIN)
        return execute(sql, *others)

    with connection.execute_wrapper(take_time):
        while Job.objects.exclude(state=JobState.READY).exists() or FinishedJob.objects.exists():
            began = clock.monotonic()
            its.do(ALIAS, NOW) if kind == "promotes" else its.keep(ALIAS, NOW)
            assert clock.monotonic() - began < 2 * LATEST_BEGIN
            turns += 1

    assert turns <= 4 * several / 5
