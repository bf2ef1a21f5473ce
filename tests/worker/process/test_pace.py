"""How many jobs a worker holds: few or many, as things go."""

from __future__ import annotations

import pytest

from schedules.testing import ManualClock
from tests.schedules.recurrence.moments import at
from worker.process.pace import Pace


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(at("10:00"))


def after(clock: ManualClock, seconds: float, jobs_a_second: float) -> Pace:
    """The pace of a worker that counts what has ended a hundred times a second."""
    of_late = Pace(clock)
    for _ in range(int(seconds * 100)):
        clock.advance(0.01)
        of_late.count(round(jobs_a_second / 100), held=100)
    return of_late


def test_a_worker_without_a_past_holds_a_job_a_slot(clock: ManualClock) -> None:
    assert Pace(clock).room(0, slots=4, most=500) == 4


def test_while_jobs_are_slow_a_worker_holds_no_more_than_it_runs(clock: ManualClock) -> None:
    of_late = after(clock, seconds=5, jobs_a_second=0)

    assert [of_late.room(held, slots=4, most=500) for held in (0, 3, 4)] == [4, 1, 0]


def test_while_jobs_fly_a_worker_holds_a_fifth_of_a_second_of_them(clock: ManualClock) -> None:
    room = after(clock, seconds=5, jobs_a_second=1000).room(0, slots=4, most=500)

    assert room == pytest.approx(204, abs=2)


def test_a_worker_never_holds_more_than_it_may(clock: ManualClock) -> None:
    of_late = after(clock, seconds=5, jobs_a_second=100_000)

    assert [of_late.room(held, slots=4, most=500) for held in (0, 100, 500)] == [500, 400, 0]


def test_what_is_held_is_replaced_by_halves(clock: ManualClock) -> None:
    of_late = after(clock, seconds=5, jobs_a_second=100_000)

    assert [of_late.room(held, slots=4, most=504) for held in (500, 255, 254, 253)] == [0, 0, 250, 251]


def test_every_slot_gets_a_job_even_where_there_are_more_slots(clock: ManualClock) -> None:
    of_late = after(clock, seconds=5, jobs_a_second=1000)

    assert [of_late.room(held, slots=8, most=2) for held in range(9)] == [8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_a_burst_is_forgotten_when_jobs_turn_slow(clock: ManualClock) -> None:
    of_late = after(clock, seconds=5, jobs_a_second=5000)

    clock.advance(1)
    of_late.count(0, held=4)

    assert of_late.room(0, slots=4, most=500) == 4


def test_the_first_jobs_that_end_tell_how_many_to_hold(clock: ManualClock) -> None:
    of_late = after(clock, seconds=0.01, jobs_a_second=1000)

    assert of_late.room(0, slots=4, most=500) == pytest.approx(204, abs=2)


def test_how_long_a_worker_was_idle_before_does_not_count(clock: ManualClock) -> None:
    of_late = Pace(clock)
    clock.advance(60)
    of_late.count(0, held=0)
    clock.advance(0.004)
    of_late.count(4, held=4)

    assert of_late.room(0, slots=4, most=500) == pytest.approx(204, abs=2)


def test_a_burst_is_forgotten_when_there_is_nothing_to_do(clock: ManualClock) -> None:
    of_late = after(clock, seconds=5, jobs_a_second=5000)

    of_late.count(0, held=0)

    assert of_late.room(0, slots=4, most=500) == 4
