"""The slots of a cron expression: walking, searching back and counting them in a calendar without zones.

A slot is a reading of the clock on the wall, a naive datetime. Which instants have that reading, and whether
any has, is not known here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Hashable, Iterator
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from functools import cache, cached_property
from itertools import islice, product

from schedules.recurrence.cron_fields import LAST_WEEK, CronFields

SECOND = timedelta(seconds=1)
LENGTHS = {month: {monthrange(year, month)[1] for year in (2023, 2024)} for month in range(1, 13)}
"""Of each month, the numbers of days that it can have."""
Day = tuple[int, int, int]
"""Year, month, day: cheaper to make and to take apart than a date."""


class CronSlots:
    """All slots whose fields match."""

    def __init__(self, fields: CronFields) -> None:
        self._days = MatchingDays(fields)
        self._times = TimesOfDay(fields)

    def occur(self) -> bool:
        return self._days.occur()

    @cached_property
    def meaning(self) -> Hashable:
        return (*self._times.meaning, self._days.meaning)

    def first(self, start: datetime) -> datetime | None:
        """The first slot at or after `start`."""
        whole = _rounded_up(start)
        if whole is None:
            return None
        if self._days.match(whole.year, whole.month, whole.day):
            index = self._times.before(whole.hour, whole.minute, whole.second)
            if index < self._times.total:
                return datetime(whole.year, whole.month, whole.day, *self._times.at(index))
        day = self._days.next(whole.year, whole.month, whole.day)
        return None if day is None else datetime(*day, *self._times.at(0))

    def last(self, end: datetime) -> datetime | None:
        """The last slot at or before `end`."""
        if self._days.match(end.year, end.month, end.day):
            index = self._times.through(end.hour, end.minute, end.second)
            if index > 0:
                return datetime(end.year, end.month, end.day, *self._times.at(index - 1))
        day = self._days.previous(end.year, end.month, end.day)
        return None if day is None else datetime(*day, *self._times.at(self._times.total - 1))

    def walk(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The slots from `start` to `end`, both included, in order."""
        slot = self.first(start)
        while slot is not None and slot <= end:
            day = (slot.year, slot.month, slot.day)
            index = self._times.before(slot.hour, slot.minute, slot.second)
            for time in self._times.walk(index):
                slot = datetime(*day, *time)
                if slot > end:
                    return
                yield slot
            following = self._days.next(*day)
            slot = following and datetime(*following, *self._times.at(0))

    def count(self, start: datetime, end: datetime) -> int:
        """How many slots lie between `start` and `end`, both included. The cost follows the months."""
        whole = _rounded_up(start)
        if whole is None or whole > end:
            return 0
        count = self._days.count(whole, end) * self._times.total
        if self._days.match(whole.year, whole.month, whole.day):
            count -= self._times.before(whole.hour, whole.minute, whole.second)
        if self._days.match(end.year, end.month, end.day):
            count -= self._times.total - self._times.through(end.hour, end.minute, end.second)
        return count


class TimesOfDay:
    """The matching times of any matching day, numbered in order from 0."""

    def __init__(self, fields: CronFields) -> None:
        self._hours, self._minutes, self._seconds = fields.hours, fields.minutes, fields.seconds
        self._in_minute = len(fields.seconds)
        self._in_hour = len(fields.minutes) * self._in_minute
        self.total = len(fields.hours) * self._in_hour

    @property
    def meaning(self) -> tuple[tuple[int, ...], ...]:
        return self._hours, self._minutes, self._seconds

    def at(self, index: int) -> tuple[int, int, int]:
        hour, rest = divmod(index, self._in_hour)
        minute, second = divmod(rest, self._in_minute)
        return self._hours[hour], self._minutes[minute], self._seconds[second]

    def walk(self, index: int) -> Iterator[tuple[int, int, int]]:
        return islice(product(self._hours, self._minutes, self._seconds), index, None)

    def before(self, hour: int, minute: int, second: int) -> int:
        """How many of them lie before the given time: the number of the first one not before it."""
        hours = bisect_left(self._hours, hour)
        count = hours * self._in_hour
        if hours < len(self._hours) and self._hours[hours] == hour:
            minutes = bisect_left(self._minutes, minute)
            count += minutes * self._in_minute
            if minutes < len(self._minutes) and self._minutes[minutes] == minute:
                count += bisect_left(self._seconds, second)
        return count

    def through(self, hour: int, minute: int, second: int) -> int:
        """How many of them lie before or at the given time."""
        return self.before(hour, minute, second + 1)


class MatchingDays:
    """The days on which an expression matches."""

    def __init__(self, fields: CronFields) -> None:
        self._fields = fields
        # What matches in a month follows from its first weekday and its length.
        self._by_shape: dict[tuple[int, int], tuple[int, ...]] = {}

    def occur(self) -> bool:
        return any(self._of_each_month())

    @property
    def meaning(self) -> tuple[tuple[int, ...], ...]:
        return tuple(self._of_each_month())

    def _of_each_month(self) -> Iterator[tuple[int, ...]]:
        """Its days, in each shape that it has sooner or later: it begins on each weekday, a February of 29 days too."""
        return (
            self._of_shape((weekday, length)) if month in self._fields.months else ()
            for month, lengths in LENGTHS.items()
            for length in lengths
            for weekday in range(7)
        )

    def match(self, year: int, month: int, day: int) -> bool:
        return day in self._in(year, month)

    def next(self, year: int, month: int, day: int) -> Day | None:
        """The first matching day after the given one."""
        while year <= MAXYEAR:
            days = self._in(year, month)
            index = bisect_right(days, day)
            if index < len(days):
                return year, month, days[index]
            year, month, day = (year, month + 1, 0) if month < 12 else (year + 1, 1, 0)
        return None

    def previous(self, year: int, month: int, day: int) -> Day | None:
        """The last matching day before the given one."""
        while year >= MINYEAR:
            days = self._in(year, month)
            index = bisect_left(days, day)
            if index > 0:
                return year, month, days[index - 1]
            year, month, day = (year, month - 1, 32) if month > 1 else (year - 1, 12, 32)
        return None

    def count(self, start: datetime, end: datetime) -> int:
        """How many of them lie between two dates, both included."""
        months = range(start.year * 12 + start.month - 1, end.year * 12 + end.month)
        count = sum(len(self._in(month // 12, month % 12 + 1)) for month in months)
        count -= bisect_left(self._in(start.year, start.month), start.day)
        last = self._in(end.year, end.month)
        return count - (len(last) - bisect_right(last, end.day))

    def _in(self, year: int, month: int) -> tuple[int, ...]:
        return self._of_shape(_shape(year, month)) if month in self._fields.months else ()

    def _of_shape(self, shape: tuple[int, int]) -> tuple[int, ...]:
        days = self._by_shape.get(shape)
        if days is None:
            weekday, length = shape
            days = self._by_shape[shape] = tuple(
                day for day in range(1, length + 1) if _matches(self._fields, day, (weekday + day) % 7, length)
            )
        return days


@cache  # the calendar has 120,000 months at most
def _shape(year: int, month: int) -> tuple[int, int]:
    return monthrange(year, month)


def _matches(fields: CronFields, day: int, weekday: int, length: int) -> bool:
    by_day = day in fields.days or (fields.last_day and day == length)
    by_weekday = (
        weekday in fields.weekdays
        or (weekday, (day + 6) // 7) in fields.nth_weekdays
        or (day + 7 > length and (weekday, LAST_WEEK) in fields.nth_weekdays)
    )
    return by_day or by_weekday if fields.either_day else by_day and by_weekday


def _rounded_up(moment: datetime) -> datetime | None:
    """The first whole second at or after the moment; None after the last second of all."""
    if not moment.microsecond:
        return moment
    whole = moment.replace(microsecond=0)
    return whole + SECOND if whole < datetime.max.replace(microsecond=0) else None
