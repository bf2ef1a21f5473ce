"""Instants at the edge of the pure modules: any aware datetime comes in, UTC goes out.

Between the edges instants are naive and in UTC, for arithmetic on them is then plain and fast.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeGuard

from schedules.recurrence.invalid import InvalidRecurrence, shown

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""What a schedule may name. Every database keeps these, and no reckoning from them leaves the calendar."""
TICK = datetime.resolution
"""The step from one instant to the next: a microsecond."""
AN_INSTANT = "an aware datetime from the year 1970 to 9000"


def naive_utc(instant: object) -> datetime:
    """The instant as a naive datetime in UTC."""
    if not isinstance(instant, datetime):
        raise InvalidRecurrence(f"{shown(instant)} is not an instant: expected an aware datetime.")
    if instant.tzinfo is UTC:
        return instant.replace(tzinfo=None)
    if instant.utcoffset() is None:
        raise InvalidRecurrence(f"{instant.isoformat()} is naive: expected a datetime with a time zone.")
    try:
        return instant.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as beyond:
        raise InvalidRecurrence(f"{instant.isoformat()} has no date in UTC.") from beyond


def is_instant(value: object) -> TypeGuard[datetime]:
    """Whether it is what a schedule may name as an instant."""
    return isinstance(value, datetime) and value.utcoffset() is not None and EARLIEST <= value <= LATEST


def aware(instant: datetime) -> datetime:
    """The naive instant, marked as UTC."""
    return instant.replace(tzinfo=UTC)
