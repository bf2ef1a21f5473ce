"""Instants at the edge of the pure modules: any aware datetime comes in, UTC goes out.

Between the edges instants are naive and in UTC, for arithmetic on them is then plain and fast.
"""

from __future__ import annotations

from datetime import UTC, datetime

from schedules.recurrence.invalid import InvalidRecurrence, shown

TICK = datetime.resolution
"""The step from one instant to the next: a microsecond."""


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
        raise InvalidRecurrence(
            f"{instant.isoformat()} is too near the first or last year to be converted to UTC."
        ) from beyond


def aware(instant: datetime) -> datetime:
    """The naive instant, marked as UTC."""
    return instant.replace(tzinfo=UTC)
