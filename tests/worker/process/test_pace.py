"""How many jobs a worker holds, and how long it waits: few and short, or many and long, as things go."""

from __future__ import annotations

import pytest

from worker.process import pace
from worker.process.pace import Pace
from worker.wakeup import LATER, LONGEST_QUIET, READY, Looks, Patience


class Stopwatch:
    """A monotonic clock that moves when told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    watch = Stopwatch()
    monkeypatch.setattr(pace, "time", watch)
    return watch


def after(stopwatch: Stopwatch, seconds: float, jobs_a_second: float) -> Pace:
    """The pace of a worker that counts what has ended a hundred times a second."""
    of_late = Pace()
    for _ in range(int(seconds * 100)):
        stopwatch.seconds += 0.01
        of_late.count(round(jobs_a_second / 100), held=100)
    return of_late


def test_a_worker_without_a_past_holds_a_job_a_slot(stopwatch: Stopwatch) -> None:
    assert Pace().room(0, slots=4, most=500) == 4


def test_while_jobs_are_slow_a_worker_holds_no_more_than_it_runs(stopwatch: Stopwatch) -> None:
    of_late = after(stopwatch, seconds=5, jobs_a_second=0)

    assert [of_late.room(held, slots=4, most=500) for held in (0, 3, 4)] == [4, 1, 0]


def test_while_jobs_fly_a_worker_holds_a_tenth_of_a_second_of_them(stopwatch: Stopwatch) -> None:
    room = after(stopwatch, seconds=5, jobs_a_second=1000).room(0, slots=4, most=500)

    assert room == pytest.approx(104, abs=2)


def test_a_worker_never_holds_more_than_it_may(stopwatch: Stopwatch) -> None:
    of_late = after(stopwatch, seconds=5, jobs_a_second=100_000)

    assert [of_late.room(held, slots=4, most=500) for held in (0, 100, 500)] == [500, 400, 0]


def test_what_is_held_is_replaced_by_halves(stopwatch: Stopwatch) -> None:
    of_late = after(stopwatch, seconds=5, jobs_a_second=100_000)

    assert [of_late.room(held, slots=4, most=504) for held in (500, 255, 254, 253)] == [0, 0, 250, 251]


def test_every_slot_gets_a_job_even_where_there_are_more_slots(stopwatch: Stopwatch) -> None:
    of_late = after(stopwatch, seconds=5, jobs_a_second=1000)

    assert [of_late.room(held, slots=8, most=2) for held in range(9)] == [8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_a_burst_is_forgotten_when_jobs_turn_slow(stopwatch: Stopwatch) -> None:
    of_late = after(stopwatch, seconds=5, jobs_a_second=5000)

    stopwatch.seconds += 1
    of_late.count(0, held=4)

    assert of_late.room(0, slots=4, most=500) == 4


def test_the_first_jobs_that_end_tell_how_many_to_hold(stopwatch: Stopwatch) -> None:
    of_late = after(stopwatch, seconds=0.01, jobs_a_second=1000)

    assert of_late.room(0, slots=4, most=500) == pytest.approx(104, abs=2)


def test_how_long_a_worker_was_idle_before_does_not_count(stopwatch: Stopwatch) -> None:
    of_late = Pace()
    stopwatch.seconds += 60
    of_late.count(0, held=0)
    stopwatch.seconds += 0.004
    of_late.count(4, held=4)

    assert of_late.room(0, slots=4, most=500) == pytest.approx(104, abs=2)


def test_a_burst_is_forgotten_when_there_is_nothing_to_do(stopwatch: Stopwatch) -> None:
    of_late = after(stopwatch, seconds=5, jobs_a_second=5000)

    of_late.count(0, held=0)

    assert of_late.room(0, slots=4, most=500) == 4


def test_patience_grows_to_its_limit_while_nothing_happens_and_ends_when_something_does() -> None:
    patience = Patience(longest=0.2)

    assert [patience.next() for _ in range(6)] == [0.02, 0.04, 0.08, 0.16, 0.2, 0.2]
    patience.reset()
    assert patience.next() == 0.02


def test_patience_never_exceeds_its_limit() -> None:
    patience = Patience(longest=0.005)

    assert [patience.next() for _ in range(2)] == [0.005, 0.005]


def test_after_news_there_are_looks_for_as_long_as_others_may_be_quiet() -> None:
    looks = Looks()
    looks.begin({READY}, now=10.0)

    instants = [10.0]
    while looks.due(instants[-1]) == [READY] and (pause := looks.pause(instants[-1])):
        instants.append(instants[-1] + pause)

    assert instants == pytest.approx([10, 10.03, 10.09, 10.21, 10.45])
    assert instants[-1] > 10 + LONGEST_QUIET
    assert looks.due(100.0) == []


def test_more_news_begins_the_looks_of_its_own_topic_anew() -> None:
    looks = Looks()
    looks.begin({READY, LATER}, now=10.0)
    assert set(looks.due(10.0)) == {READY, LATER}

    looks.begin({READY}, now=10.02)

    assert looks.due(10.02) == [READY]
    assert set(looks.due(10.06)) == {READY, LATER}
    assert looks.due(10.06) == []
