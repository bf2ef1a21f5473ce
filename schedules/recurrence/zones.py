"""Time zones: which names are known, and when their clocks change.

The only module that knows pytz, and pytz is the only source of zone rules: the system's zoneinfo may be
older. It knows offsets and the instants at which they change; it does not know what a schedule does then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache
from itertools import pairwise
from typing import Any

import pytz

from schedules.recurrence.instants import aware, naive_utc
from schedules.recurrence.invalid import InvalidRecurrence, shown
from schedules.recurrence.zone_names import hint


@dataclass(frozen=True, slots=True)
class OffsetChange:
    """An instant (naive, in UTC) at which the offset of a zone's clock from UTC changes."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def shift(self) -> timedelta:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Zone:
    """The history of a zone's clock: the offset it begins with, and its changes in order."""

    offset: timedelta
    changes: tuple[OffsetChange, ...]


def zone_version() -> str:
    """The edition of the zone data in force, as in "2026c". What was computed under another one is stale."""
    return str(pytz.OLSON_VERSION)  # type: ignore[attr-defined]  # the stubs leave it out


def check_timezone(given: object) -> str:
    """The name of an IANA time zone known to pytz. Instead of the name, the zone itself may be given."""
    name = given if isinstance(given, str) else _name_of(given)
    if not isinstance(name, str):
        raise InvalidRecurrence(f'{shown(given)} is not a time zone: expected a name like "Europe/Paris".')
    if name not in pytz.all_timezones_set:
        meant = hint(name, pytz.all_timezones)
        raise InvalidRecurrence(f"{shown(name)} is not a time zone that is known here. {meant}".rstrip())
    return name


def local(instant: datetime, timezone: str) -> datetime:
    """The same instant as the clock on the wall there shows it, for display."""
    try:
        return aware(naive_utc(instant)).astimezone(_tzinfo(check_timezone(timezone)))
    except OverflowError as beyond:
        raise InvalidRecurrence(f"{instant.isoformat()} has no date in {timezone}.") from beyond


def is_shown_twice(instant: datetime, timezone: str) -> bool:
    """Whether the clock there shows the same time at another instant too, since it is set back near it."""
    at, history = naive_utc(instant), zone(check_timezone(timezone))
    passed = bisect_right(history.changes, at, key=lambda change: change.at)
    near = history.changes[max(passed - 1, 0) : passed + 1]
    return any(change.at + change.shift <= at < change.at - change.shift for change in near)


def offset_text(reading: datetime) -> str:
    """How far a clock is ahead of UTC: "+02:00"."""
    return reading.isoformat(timespec="seconds")[len("2026-01-01T00:00:00") :]


def clock_text(reading: datetime) -> str:
    """What a clock shows, as people write it: "10:05", with the seconds where there are any."""
    return f"{reading:%H:%M:%S}" if reading.second else f"{reading:%H:%M}"


@cache
def zone(name: str) -> Zone:
    """The history of a known zone. pytz's tables end in 2037; later instants keep the last offset."""
    tz: Any = _tzinfo(name)
    if not hasattr(tz, "_utc_transition_times"):
        return Zone(_offset_without_history(tz), ())
    # pytz offers no public way to ask when a clock changes. A test holds this table against its public
    # conversions, zone by zone.
    offsets = [info[0] for info in tz._transition_info]
    return Zone(offsets[0], tuple(_offset_changes(tz._utc_transition_times, offsets)))


def day_start(day: date, timezone: str) -> datetime:
    """The first instant whose date there is `day`, in UTC; the next date's where the zone skips that one."""
    midnight = datetime(day.year, day.month, day.day)
    history = zone(check_timezone(timezone))
    near = [change for change in history.changes if abs(change.at - midnight) < timedelta(days=3)]
    offsets = {_offset_at(history, midnight - timedelta(days=3)), *(change.after for change in near)}
    candidates = [midnight - offset for offset in offsets] + [change.at for change in near]
    return min(at for at in candidates if at + _offset_at(history, at) >= midnight).replace(tzinfo=UTC)


def _name_of(given: object) -> object:
    """What a zone of zoneinfo, pytz or datetime is called."""
    if isinstance(given, timezone):
        return str(timezone(given.utcoffset(None)))
    return getattr(given, "key", getattr(given, "zone", None)) if isinstance(given, tzinfo) else None


def _tzinfo(name: str) -> tzinfo:
    found: tzinfo = pytz.timezone(name)
    return found


def _offset_without_history(tz: tzinfo) -> timedelta:
    return datetime(2000, 1, 1, tzinfo=UTC).astimezone(tz).utcoffset() or timedelta()


def _offset_changes(instants: list[datetime], offsets: list[timedelta]) -> Iterator[OffsetChange]:
    for at, (before, after) in zip(instants[1:], pairwise(offsets), strict=True):
        if before != after:
            yield OffsetChange(at, before, after)


def _offset_at(history: Zone, instant: datetime) -> timedelta:
    passed = bisect_right(history.changes, instant, key=lambda change: change.at)
    return history.changes[passed - 1].after if passed else history.offset
