"""Two releases side by side that wish for two intervals: the schedule runs no more often, and is not starved."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import cycle, pairwise

import pytest

from schedules.models import Occurrence, Schedule, Source
from tests.conformance.model.virtual import VirtualClock, again
from tests.schedules.recurrence.moments import at

HOUR = 3600
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock(database: None) -> VirtualClock:
    return VirtualClock()


def runs(clock: VirtualClock, intervals: tuple[int, int], *, every: int, hours: int) -> list[datetime]:
    """Each of the two calls every so many minutes, in turn, and a leader ticks when it is due."""
    for minute, interval in zip(range(0, hours * 60, every // 2), cycle(intervals), strict=False):
        now = at("10:00:30") + minute * MINUTE
        while (due := Schedule.objects.values_list("next_run_at", flat=True).first()) and due <= now:
            clock.set(due)
            clock.tick()
        clock.set(now)
        clock.declared(source=Source.CALL, repeat=interval, overlap="allow")
    return list(Occurrence.objects.order_by("scheduled_for").values_list("scheduled_for", flat=True))


@pytest.mark.parametrize("every", [2, 10])
@pytest.mark.parametrize("intervals", [(1200, 2400), (2400, 1200), (1200, 1260)])
def test_two_releases_that_wish_for_two_intervals_in_turn_run_it_no_more_often_and_do_not_starve_it(
    clock: VirtualClock, intervals: tuple[int, int], every: int
) -> None:
    ran = runs(clock, intervals, every=every, hours=2)

    apart = [(second - first).total_seconds() for first, second in pairwise([at("10:00:30"), *ran])]
    assert min(apart) >= min(intervals)
    assert max(apart) <= min(intervals) + every * 60
    assert len(ran) >= 3


def test_the_first_change_of_an_interval_counts_from_now_and_another_puts_off_nothing(clock: VirtualClock) -> None:
    schedule = clock.declared(source=Source.CALL, start="10:00", repeat=HOUR)
    clock.tick("11:00")

    planned = []
    for moment, repeat in (("11:05", 2 * HOUR), ("11:07", HOUR), ("11:09", 2 * HOUR), ("11:11", 3 * HOUR)):
        clock.to(moment)
        clock.declared(source=Source.CALL, repeat=repeat)
        planned.append(again(schedule).next_run_at)

    assert planned == [at("13:05"), at("12:07"), at("12:07"), at("12:07")]
    clock.tick("12:07")
    assert again(schedule).next_run_at == at("15:07"), "it counts from the run that was not put off"


def test_a_calendar_interval_counts_on_from_the_run_that_was_not_put_off(clock: VirtualClock) -> None:
    schedule = clock.declared(source=Source.CALL, repeat="1 month")
    clock.to("07-20 10:00")

    clock.declared(source=Source.CALL, repeat="2 months")

    assert again(schedule).next_run_at == at("08-01 10:00")
    clock.tick("08-01 10:00")
    assert again(schedule).next_run_at == at("10-01 10:00")
