"""Random expressions, zones and ranges around changes of the clock, against two other opinions.

`CARILLON_TIME_EXAMPLES` says how many examples each test takes; the default is a modest sample.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from typing import Any

import pytest
import pytz
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schedules.recurrence import CalendarEvery, Cron, Every, InvalidRecurrence, Recurrence
from schedules.recurrence.clock_changes import GapRule, OverlapRule
from schedules.recurrence.intervals import Unit
from schedules.recurrence.zones import zone
from tests.schedules.recurrence import oracle

EXAMPLES = int(os.environ.get("CARILLON_TIME_EXAMPLES", "120"))
sampled = settings(max_examples=EXAMPLES)


@cache
def zones() -> list[str]:
    """One zone for each history of changes."""
    by_history = {oracle.zone_file(name): name for name in reversed(pytz.all_timezones)}
    return sorted(by_history.values())


def numbers(low: int, high: int, favoured: list[int]) -> st.SearchStrategy[int]:
    return st.sampled_from(favoured) | st.integers(low, high)


@st.composite
def items(draw: st.DrawFn, low: int, high: int, favoured: list[int]) -> str:
    kind = draw(st.sampled_from(["number", "number", "range", "range/step", "number/step", "*", "*/step"]))
    step = draw(st.integers(1, min(20, high - low + 1)))
    first, last = sorted([draw(numbers(low, high, favoured)), draw(numbers(low, high, favoured))])
    return {
        "number": f"{first}",
        "range": f"{first}-{last}",
        "range/step": f"{first}-{last}/{step}",
        "number/step": f"{first}/{step}",
        "*": "*",
        "*/step": f"*/{step}",
    }[kind]


def fields(low: int, high: int, favoured: list[int]) -> st.SearchStrategy[str]:
    return st.lists(items(low, high, favoured), min_size=1, max_size=3).map(",".join)


LARGE_SHIFTS = ["Antarctica/Casey", "Antarctica/Troll", "Antarctica/Vostok", "Pacific/Apia", "Australia/Lord_Howe"]
"""Rare among all zones, and where the rules differ."""
NEAR_CHANGES = [0, 1, 2, 3, 22, 23]
seconds = fields(0, 59, [0, 30, 59])
minutes = fields(0, 59, [0, 1, 15, 30, 45, 59])
hours = fields(0, 23, NEAR_CHANGES)
days = st.one_of(st.just("*"), st.just("?"), fields(1, 31, [1, 28, 31]), st.just("l"), st.just("15,l"))
months = st.one_of(st.just("*"), st.just("*"), fields(1, 12, [2, 3, 4, 10, 11]), st.just("mar-apr,oct-nov"))
weekdays = st.one_of(
    st.just("*"),
    st.just("?"),
    fields(0, 6, [0, 6]),
    st.sampled_from(["7", "5-7", "1-7/3", "sun", "mon-fri", "sun#2", "7#5,1", "l0", "5l,3", "6#4,sat", "0-7"]),
)
five_fields = st.tuples(minutes, hours, days, months, weekdays).map(" ".join)
six_fields = st.tuples(seconds, minutes, hours, days, months, weekdays).map(" ".join)
gaps: st.SearchStrategy[GapRule] = st.sampled_from(["run", "run", "skip"])
overlaps: st.SearchStrategy[OverlapRule] = st.sampled_from(["first", "first", "second", "both"])


@dataclass(frozen=True)
class Case:
    cron: Cron
    start: datetime
    end: datetime

    def expected(self) -> list[datetime]:
        cron = self.cron
        return oracle.fires(cron.expression, cron.timezone, self.start, self.end, cron.dst_gap, cron.dst_overlap)


@st.composite
def cases(draw: st.DrawFn, expressions: st.SearchStrategy[str], around: timedelta) -> Case:
    """A range that has, as a rule, a change of the clock in it."""
    timezone = draw(st.sampled_from(zones()) | st.sampled_from(LARGE_SHIFTS))
    instant = draw(st.sampled_from(oracle.changes(timezone) or [datetime(2024, 2, 29, tzinfo=UTC)]))
    # pytz rounds offsets to minutes; the last one with seconds ended in 1972.
    assume(timezone != "Africa/Monrovia" or instant.year > 1972)
    minute = timedelta(minutes=1)
    start = instant - draw(st.integers(1, around // minute)) * minute
    end = instant + draw(st.integers(0, around // minute)) * minute
    try:
        cron = Cron(draw(expressions), timezone, dst_gap=draw(gaps), dst_overlap=draw(overlaps))
    except InvalidRecurrence as never:
        assume("never occurs" not in str(never))
        raise
    return Case(cron, start, end)


@sampled
@given(cases(five_fields, timedelta(hours=40)))
def test_every_minute_of_a_range_agrees_with_brute_force(case: Case) -> None:
    assert list(case.cron.between(case.start, case.end)) == case.expected()


@sampled
@given(cases(six_fields, timedelta(hours=3)))
def test_every_second_of_a_range_agrees_with_brute_force(case: Case) -> None:
    assert list(case.cron.between(case.start, case.end)) == case.expected()


@sampled
@given(cases(five_fields | six_fields, timedelta(hours=30)))
def test_the_four_questions_agree_with_each_other(case: Case) -> None:
    check_agreement(case.cron, case.start, case.end)


@sampled
@given(
    st.builds(
        CalendarEvery,
        st.integers(1, 5),
        st.sampled_from(["day", "month", "year"]),
        st.datetimes(datetime(1999, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
        st.sampled_from(["UTC", "Europe/Paris", "Pacific/Apia", "Australia/Lord_Howe"]),
    )
    | st.builds(
        Every,
        st.integers(40_000, 5_000_000),
        st.datetimes(datetime(1999, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    ),
    st.datetimes(datetime(1998, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC)),
    st.integers(0, 400),
)
def test_the_four_questions_agree_for_intervals(every: Recurrence, start: datetime, length: int) -> None:
    check_agreement(every, start, start + timedelta(days=length))


@sampled
@given(
    st.integers(1, 40),
    st.sampled_from(["day", "month", "year"]),
    st.sampled_from(zones()) | st.sampled_from(LARGE_SHIFTS),
    st.data(),
)
def test_calendar_repeats_agree_with_brute_force(every: int, unit: Unit, zone: str, data: st.DataObject) -> None:
    change = data.draw(st.sampled_from(oracle.changes(zone) or [datetime(2024, 2, 29, tzinfo=UTC)]))
    assume(zone != "Africa/Monrovia" or change.year > 1972)
    # Some occurrence falls near the change, if the anchor lies a multiple of days before it.
    anchor = change - timedelta(data.draw(st.integers(0, 1000)), 60 * data.draw(st.integers(-200, 200)))
    assume(anchor.year >= 1973)
    end = change + timedelta(days=400)
    recurrence = CalendarEvery(every, unit, anchor, zone)
    assert list(recurrence.between(anchor - timedelta(1), end)) == oracle.calendar_fires(every, unit, anchor, zone, end)


def check_agreement(recurrence: Recurrence, start: datetime, end: datetime) -> None:
    instants = list(islice(recurrence.between(start, end), 5000))
    assume(len(instants) < 5000)
    assert all(earlier < later for earlier, later in pairwise([start, *instants]))
    assert all(instant <= end for instant in instants)
    assert recurrence.count(start, end) == len(instants)
    assert recurrence.latest(start, end) == (instants[-1] if instants else None)
    for earlier, later in pairwise([start, *instants[:200]]):
        assert recurrence.after(earlier) == later
        # Wherever a search begins in between, it finds the same.
        assert recurrence.after(earlier + (later - earlier) / 2) == later
        assert recurrence.after(later - timedelta(microseconds=1)) == later
    following = recurrence.after(end)
    assert following is None or following > end
    if instants:
        assert recurrence.count(start, instants[-1]) == len(instants)
        assert recurrence.count(instants[-1], end) == 0
        assert recurrence.latest(start, instants[-1] - timedelta(microseconds=1)) == (
            instants[-2] if len(instants) > 1 else None
        )


@sampled
@given(five_fields, st.datetimes(datetime(1970, 1, 1), datetime(2105, 1, 1), timezones=st.just(UTC)))
def test_a_calendar_without_changes_agrees_with_cronsim(expression: str, start: datetime) -> None:
    words = expression.replace("?", "*").split()
    # To cronsim a week ends on day 7 and a-a/n is a/n, and L stands after the weekday only.
    assume("l0" not in words[4])
    assume(not any(re.search(r"\b(\d+)-\1/", word) for word in words))
    assume(not re.search(r"\d/", words[4]))
    try:
        cron = Cron(expression)
    except InvalidRecurrence as never:
        assume("never occurs" not in str(never))
        raise
    start = start.replace(microsecond=0)
    expected = list(islice(CronSim(" ".join(words), start), 4))
    instants = []
    instant: Any = start
    for _ in expected:
        instant = cron.after(instant)
        instants.append(instant)
    assert instants == expected


@pytest.mark.parametrize("timezone", zones())
def test_our_table_of_changes_is_what_pytz_says_in_public(timezone: str) -> None:
    tz = pytz.timezone(timezone)
    for change in zone(timezone).changes:
        at = change.at.replace(tzinfo=UTC)
        assert (at - timedelta(seconds=1)).astimezone(tz).utcoffset() == change.before
        assert at.astimezone(tz).utcoffset() == change.after
