"""Recurrences by distance: once, every so many seconds, every so many days, months or years.

Occurrences are counted from a first one, the anchor, so neither the time a run takes nor a retry nor a
restart shifts them. Seconds are elapsed seconds and know no zone; calendar units follow the clock of a zone.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final, Literal, get_args

from schedules.recurrence.calendar_slots import CalendarSlots, EveryDays, EveryMonths
from schedules.recurrence.clock_changes import FIXED_TIME
from schedules.recurrence.instants import aware, naive_utc
from schedules.recurrence.invalid import InvalidRecurrence, shown
from schedules.recurrence.timeline import Timeline
from schedules.recurrence.zones import check_timezone, local, zone
from worker.messages.expected import is_whole

NEVER: Final = 0
MINUTELY = 60
HOURLY = 60 * MINUTELY
DAILY = 24 * HOURLY
WEEKLY = 7 * DAILY
EVERY_2_WEEKS = 2 * WEEKLY
EVERY_4_WEEKS = 4 * WEEKLY

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Unit = Literal["day", "month", "year"]
MOST_SECONDS = 3_200_000_000
MOST = {
    "second": MOST_SECONDS,
    "minute": MOST_SECONDS // MINUTELY,
    "hour": MOST_SECONDS // HOURLY,
    "day": 36_600,
    "week": 5_200,
    "month": 1_200,
    "year": 100,
}
"""The longest distance in each unit: a hundred years, with some room."""
REPEAT = re.compile(rf"(?P<amount>\d{{1,12}})(?:[ \t]+(?P<unit>{'|'.join(MOST)})s?)?", re.ASCII | re.IGNORECASE)
UNITS = "seconds, minutes, hours, days, weeks, months or years"
EXPECTED = f'expected seconds, a timedelta of whole seconds, or text like "5 minutes" or "1 month", in {UNITS}'
SECONDS = {"second": 1, "minute": MINUTELY, "hour": HOURLY}
DAYS_OF_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class Once:
    """One instant."""

    at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", aware(naive_utc(self.at)))

    def after(self, instant: datetime) -> datetime | None:
        return self.at if aware(naive_utc(instant)) < self.at else None

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        return iter([self.at] * self.count(start, end))

    def latest(self, start: datetime, end: datetime) -> datetime | None:
        return self.at if self.count(start, end) else None

    def count(self, start: datetime, end: datetime) -> int:
        after, until = aware(naive_utc(start)), aware(naive_utc(end))
        return int(after < self.at <= until)

    @property
    def meaning(self) -> Hashable:
        return ("once", self.at)


@dataclass(frozen=True, slots=True)
class Every:
    """The anchor, and from there every so many elapsed seconds. A timedelta of whole seconds will do too."""

    seconds: int
    anchor: datetime

    def __init__(self, seconds: int | timedelta, anchor: datetime = EPOCH) -> None:
        object.__setattr__(self, "seconds", _checked(_whole_seconds(seconds), "second"))
        object.__setattr__(self, "anchor", aware(naive_utc(anchor)))

    def after(self, instant: datetime) -> datetime | None:
        return self._at(self._through(instant))

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        numbers = range(self._through(start), self._through(end))
        return (self.anchor + number * self._step for number in numbers)

    def latest(self, start: datetime, end: datetime) -> datetime | None:
        through = self._through(end)
        return self._at(through - 1) if through > self._through(start) else None

    def count(self, start: datetime, end: datetime) -> int:
        return max(0, self._through(end) - self._through(start))

    @property
    def meaning(self) -> Hashable:
        return ("seconds", self.seconds, self.anchor)

    @property
    def _step(self) -> timedelta:
        return timedelta(seconds=self.seconds)

    def _through(self, instant: datetime) -> int:
        """How many occurrences lie at or before the instant: the number of the first one after it."""
        return max(0, (aware(naive_utc(instant)) - self.anchor) // self._step + 1)

    def _at(self, number: int) -> datetime | None:
        try:
            return self.anchor + number * self._step
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class CalendarEvery:
    """The anchor, and from there every so many days, months or years by the clock of a zone.

    The day clamps to the last of its month; a reading that a change of the clock skips or repeats is treated
    as a fixed time is.
    """

    every: int
    unit: Unit
    anchor: datetime = EPOCH
    timezone: str = "UTC"
    _following: Timeline = field(init=False, repr=False, compare=False)
    """What comes after the anchor. The anchor is not always in it: it may lie in a second pass."""

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise InvalidRecurrence(f'{shown(self.unit)} is not a unit: expected "day", "month" or "year".')
        _checked(self.every, self.unit)
        object.__setattr__(self, "timezone", check_timezone(self.timezone))
        object.__setattr__(self, "anchor", aware(naive_utc(self.anchor)))
        slots = CalendarSlots(self._grid())
        object.__setattr__(self, "_following", Timeline(slots, self.timezone, FIXED_TIME))

    def after(self, instant: datetime) -> datetime | None:
        return self.anchor if self._is_before_anchor(instant) else self._following.after(instant)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        following = self._following.between(self._anchored(start), end)
        return chain([self.anchor] * self._has_anchor(start, end), following)

    def latest(self, start: datetime, end: datetime) -> datetime | None:
        following = self._following.latest(self._anchored(start), end)
        return self.anchor if following is None and self._has_anchor(start, end) else following

    def count(self, start: datetime, end: datetime) -> int:
        return self._has_anchor(start, end) + self._following.count(self._anchored(start), end)

    def note(self, instant: datetime) -> str | None:
        """What a change of the clock has to do with the run at this instant; None: nothing."""
        return None if instant == self.anchor else self._following.note(instant)

    @property
    def meaning(self) -> Hashable:
        """A year is twelve months; and where the clock never changes, a day is 86,400 seconds."""
        clock = zone(self.timezone)
        if self.unit != "day":
            return ("months", self._months, self.anchor, clock)
        return ("days", self.every, self.anchor, clock) if clock.changes else self._elapsed.meaning

    @property
    def _elapsed(self) -> Every:
        return Every(self.every * DAILY, self.anchor)

    @property
    def _months(self) -> int:
        return self.every if self.unit == "month" else 12 * self.every

    def _grid(self) -> EveryDays | EveryMonths:
        reading = local(self.anchor, self.timezone).replace(tzinfo=None)
        if self.unit == "day":
            return EveryDays(reading, self.every)
        return EveryMonths(reading, self._months)

    def _is_before_anchor(self, instant: datetime) -> bool:
        return aware(naive_utc(instant)) < self.anchor

    def _has_anchor(self, start: datetime, end: datetime) -> bool:
        return self._is_before_anchor(start) and not self._is_before_anchor(end)

    def _anchored(self, start: datetime) -> datetime:
        return self.anchor if self._is_before_anchor(start) else start


def parse_repeat(value: int | timedelta | str) -> str:
    """The one text for an interval: seconds as in "3600", or calendar units as in "1 month"; "" for never.

    Minutes and hours are so many seconds, and a week is seven days, so they are written as these.
    """
    if not isinstance(value, str):
        seconds = _whole_seconds(value)
        return str(_checked(seconds, "second")) if seconds else ""
    if not value.strip() or value.strip() == "0":
        return ""
    amount, unit = _read(value)
    return str(amount) if unit is None else f"{amount} {unit}{'' if amount == 1 else 's'}"


def interval(repeat: str, anchor: datetime, timezone: str) -> Every | CalendarEvery:
    """The recurrence that the text means."""
    amount, unit = _read(repeat)
    return Every(amount, anchor) if unit is None else CalendarEvery(amount, unit, anchor, timezone)


def _read(repeat: str) -> tuple[int, Unit | None]:
    match = REPEAT.fullmatch(repeat.strip())
    if match is None:
        raise InvalidRecurrence(f"{shown(repeat)} is not an interval: {EXPECTED}.")
    amount, given = int(match["amount"]), (match["unit"] or "second").lower()
    if given in SECONDS:
        return _checked(amount, given) * SECONDS[given], None
    if given == "week":
        return _checked(amount, given) * DAYS_OF_A_WEEK, "day"
    unit = next(each for each in get_args(Unit) if each == given)
    return _checked(amount, unit), unit


def _whole_seconds(value: object) -> int:
    if isinstance(value, timedelta) and not value % timedelta(seconds=1):
        return value // timedelta(seconds=1)
    if is_whole(value):
        return value
    raise InvalidRecurrence(f"{_told(value)} is not an interval: {EXPECTED}.")


def _checked(amount: object, unit: str) -> int:
    if not is_whole(amount):
        raise InvalidRecurrence(f"{shown(amount)} is not a number of {unit}s.")
    if not 1 <= amount <= MOST[unit]:
        raise InvalidRecurrence(
            f"{_told(amount)} {unit}s is not an interval: expected 1-{MOST[unit]} {unit}s. Intervals are in {UNITS}."
        )
    return amount


def _told(value: object) -> str:
    """The number itself, if it is short: to turn one of 5,000 digits into text is an error of its own."""
    short = isinstance(value, float | timedelta) or (isinstance(value, int) and abs(value) < 10**20)
    return str(value) if short else "A number that is too large" if isinstance(value, int) else shown(value)
