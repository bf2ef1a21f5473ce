"""A second opinion on time, by brute force: every instant of a range is asked whether a schedule runs at it.

Written from the rules alone; it shares no code with the product. Zones are read by zoneinfo from the package
tzdata, never from the system, or from the files that pytz brings when tzdata is another edition.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from io import BytesIO
from itertools import count
from zoneinfo import ZoneInfo

import pytz
import tzdata

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
WEEKDAYS = "sun mon tue wed thu fri sat"
THREE_HOURS = timedelta(hours=3)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


def fires(
    expression: str, zone: str, start: datetime, end: datetime, gap: str = "run", overlap: str = "first"
) -> list[datetime]:
    """Every instant after `start`, up to and including `end`, at which the expression runs."""
    rule = Rule(expression)
    there = zone_of(zone)
    if rule.wildcard:
        gap, overlap = "skip", "both"
    return [instant for instant in rule.instants(start, end) if _runs(rule, there, instant, gap, overlap)]


def calendar_fires(every: int, unit: str, anchor: datetime, zone: str, end: datetime) -> list[datetime]:
    """The anchor and every n-th day, month or year from it by the clock of the zone, up to `end`."""
    there = zone_of(zone)
    first = anchor.astimezone(there).replace(tzinfo=None)
    found = [anchor]
    for number in count():
        reading = _moved(first, number * every, unit)
        if reading.replace(tzinfo=UTC) > end + 2 * DAY:
            return [instant for instant in found if instant <= end]
        found += [instant for instant in _resolved(reading, there) if instant > anchor]
    raise AssertionError("count does not end")


def _moved(reading: datetime, distance: int, unit: str) -> datetime:
    if unit == "day":
        return reading + distance * DAY
    months = reading.month - 1 + distance * (12 if unit == "year" else 1)
    year, month = reading.year + months // 12, months % 12 + 1
    return reading.replace(year=year, month=month, day=min(reading.day, monthrange(year, month)[1]))


def _resolved(reading: datetime, there: ZoneInfo) -> list[datetime]:
    """The instant with this reading, the first of two, or that of the change that skips it."""
    early, late = (reading.replace(tzinfo=there, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _naive(early.astimezone(there)) == reading:
        return [early, late] if late - early >= THREE_HOURS else [early]
    # In a gap, fold 0 takes the offset before the change and so lands after it, and fold 1 the other way round.
    return [_first_with_offset_of(there, late, early)] if early - late < THREE_HOURS else []


def changes(zone: str) -> list[datetime]:
    """The instants from 1970 to 2037 at which the offset of the zone changes."""
    return list(_changes(zone))


@cache
def _changes(zone: str) -> tuple[datetime, ...]:
    there = zone_of(zone)
    found = []
    day = datetime(1970, 1, 1, tzinfo=UTC)
    while day.year < 2037:
        if _offset(there, day) != _offset(there, day + DAY):
            found.append(_first_with_offset_of(there, day, day + DAY))
        day += DAY
    return tuple(found)


def _first_with_offset_of(there: ZoneInfo, before: datetime, after: datetime) -> datetime:
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        if _offset(there, middle) == _offset(there, after):
            after = middle
        else:
            before = middle
    return after


@cache
def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo.from_file(BytesIO(zone_file(name)), key=name)


def zone_file(name: str) -> bytes:
    same_edition = tzdata.IANA_VERSION == pytz.OLSON_VERSION  # type: ignore[attr-defined]  # not in the stubs
    package = "tzdata" if same_edition else "pytz"
    return files(package).joinpath("zoneinfo", *name.split("/")).read_bytes()


def _runs(rule: Rule, there: ZoneInfo, instant: datetime, gap: str, overlap: str) -> bool:
    reading = instant.astimezone(there)
    if gap == "run" and _ran_over(rule, there, instant):
        return True
    return rule.matches(reading) and not _is_dropped(reading, overlap)


def _ran_over(rule: Rule, there: ZoneInfo, instant: datetime) -> bool:
    """Whether the clock moves forward at this instant, over a reading that matches."""
    before, after = _offset(there, instant - SECOND), _offset(there, instant)
    if not timedelta() < after - before < THREE_HOURS:
        return False
    reading, end = _naive(instant + before), _naive(instant + after)
    while reading < end:
        if rule.matches(reading):
            return True
        reading += rule.tick
    return False


def _is_dropped(reading: datetime, overlap: str) -> bool:
    """Whether the clock shows this reading twice, and the other time is the one that counts."""
    first, second = reading.replace(fold=0).utcoffset(), reading.replace(fold=1).utcoffset()
    assert first is not None
    assert second is not None
    # In a gap the second offset is the larger one; there is no reading to drop.
    if not timedelta() < first - second < THREE_HOURS:
        return False
    return overlap != "both" and reading.fold != (1 if overlap == "second" else 0)


def _offset(there: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(there).utcoffset()
    assert offset is not None
    return offset


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


class Rule:
    """A cron expression, read item by item."""

    def __init__(self, expression: str) -> None:
        texts = expression.lower().split()
        self.tick = SECOND if len(texts) == 6 else MINUTE
        second, minute, hour, day, month, weekday = texts if len(texts) == 6 else ["0", *texts]
        self.wildcard = any(text.startswith("*") for text in (second, minute, hour))
        self.both_days = day.startswith(("*", "?")) or weekday.startswith(("*", "?"))
        self.seconds = set(_numbers(second, 0, 59))
        self.minutes = set(_numbers(minute, 0, 59))
        self.hours = set(_numbers(hour, 0, 23))
        self.months = set(_numbers(month, 1, 12, MONTHS))
        self.day_items = day.split(",")
        self.weekday_items = weekday.split(",")
        self._days: dict[date, bool] = {}

    def instants(self, start: datetime, end: datetime) -> Iterator[datetime]:
        instant = start.replace(second=0, microsecond=0)
        while instant <= end:
            if instant > start:
                yield instant
            instant += self.tick

    def matches(self, reading: datetime) -> bool:
        return (
            reading.minute in self.minutes
            and reading.hour in self.hours
            and reading.second in self.seconds
            and reading.month in self.months
            and self._matches_day(reading.date())
        )

    def _matches_day(self, day: date) -> bool:
        if day not in self._days:
            by_day = any(_is_day(item, day) for item in self.day_items)
            by_weekday = any(_is_weekday(item, day) for item in self.weekday_items)
            self._days[day] = (by_day and by_weekday) if self.both_days else (by_day or by_weekday)
        return self._days[day]


def _is_day(item: str, day: date) -> bool:
    if item == "l":
        return (day + DAY).month != day.month
    return day.day in _numbers(item, 1, 31)


def _is_weekday(item: str, day: date) -> bool:
    weekday = day.isoweekday() % 7
    if "#" in item:
        name, week = item.split("#")
        return weekday == _number(name, 0, WEEKDAYS) % 7 and day.day in _week(int(week))
    if "l" in item:
        of_month = monthrange(day.year, day.month)[1]
        return weekday == _number(item.replace("l", ""), 0, WEEKDAYS) % 7 and day.day > of_month - 7
    return weekday in {number % 7 for number in _numbers(item, 0, 6, WEEKDAYS)}


def _week(number: int) -> range:
    return range(7 * number - 6, 7 * number + 1)


def _numbers(text: str, low: int, high: int, names: str = "") -> Iterator[int]:
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        if first in ("*", "?"):
            yield from range(low, high + 1, int(step or 1))
        else:
            begin = _number(first, low, names)
            end = _number(last, low, names) if last else high if step else begin
            yield from range(begin, end + 1, int(step or 1))


def _number(text: str, low: int, names: str) -> int:
    return names.split().index(text) + low if text in names.split() else int(text)
