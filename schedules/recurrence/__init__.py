"""Recurrences: the pure rules behind schedules. Given an instant, when is the next one?

The door to everything about time: `Once`, `Every`, `CalendarEvery` and `Cron` are frozen values that answer
the four questions of `Recurrence`; `recurrence_of` makes them from what a schedule stores. What is overdue,
and what becomes of it, is decided in `planning`; nothing here reads a clock or a database.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol

from schedules.recurrence.clock_changes import ClockChange, GapRule, OverlapRule
from schedules.recurrence.cron import Cron
from schedules.recurrence.cron_grammar import may_draw
from schedules.recurrence.intervals import (
    DAILY,
    EPOCH,
    EVERY_2_WEEKS,
    EVERY_4_WEEKS,
    HOURLY,
    MINUTELY,
    NEVER,
    WEEKLY,
    CalendarEvery,
    Every,
    Once,
    interval,
    parse_repeat,
)
from schedules.recurrence.invalid import InvalidRecurrence, check_text, shown
from schedules.recurrence.timeline import instant_of
from schedules.recurrence.zones import check_timezone

__all__ = [
    "DAILY",
    "EVERY_2_WEEKS",
    "EVERY_4_WEEKS",
    "HOURLY",
    "MINUTELY",
    "NEVER",
    "WEEKLY",
    "CalendarEvery",
    "ClockChange",
    "Cron",
    "Every",
    "GapRule",
    "InvalidRecurrence",
    "Once",
    "OverlapRule",
    "Recurrence",
    "instant_of",
    "note",
    "parse_repeat",
    "recurrence_of",
]


class Recurrence(Protocol):
    """A set of instants. Takes any aware datetimes, gives aware ones in UTC."""

    def after(self, instant: datetime) -> datetime | None:
        """The first instant after the given one; None: there is none any more."""

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The instants after `start`, up to and including `end`, in order, one at a time."""

    def latest(self, start: datetime, end: datetime) -> datetime | None:
        """The last instant after `start`, up to and including `end`, at the cost of `after`."""

    def count(self, start: datetime, end: datetime) -> int:
        """How many instants lie after `start`, up to and including `end`. The cost follows the months."""

    @property
    def meaning(self) -> Hashable:
        """A value that is equal for two recurrences with the same instants, however they are written."""


def note(recurrence: Recurrence, instant: datetime) -> str | None:
    """What a change of the clock has to do with a run at this instant, in words. None: nothing."""
    return recurrence.note(instant) if isinstance(recurrence, Cron | CalendarEvery) else None


def recurrence_of(
    *,
    cron: str = "",
    repeat: int | timedelta | str = "",
    run_at: datetime | None = None,
    timezone: str = "UTC",
    anchor: datetime | None = None,
    name: str = "",
    dst_gap: GapRule = "run",
    dst_overlap: OverlapRule = "first",
) -> Recurrence:
    """The recurrence that exactly one of `cron`, `repeat` and `run_at` describes. Equal input gives the same value."""
    if not isinstance(repeat, str):
        repeat = parse_repeat(repeat)
    for text in (cron, timezone, name, dst_gap, dst_overlap):
        check_text(text)
    for instant in (run_at, anchor):
        _check_instant(instant)
    drawn_from = name if may_draw(cron) else ""  # without it, schedules of one expression and zone share a recurrence
    return _recurrence_of(cron, repeat, run_at, timezone, anchor, drawn_from, dst_gap, dst_overlap)


@lru_cache(maxsize=16_384)
def _recurrence_of(
    cron: str,
    repeat: str,
    run_at: datetime | None,
    timezone: str,
    anchor: datetime | None,
    name: str,
    dst_gap: GapRule,
    dst_overlap: OverlapRule,
) -> Recurrence:
    repeat = parse_repeat(repeat)
    if [bool(cron), bool(repeat), run_at is not None].count(True) != 1:
        raise InvalidRecurrence("A schedule needs exactly one of cron, repeat and run_at.")
    if cron:
        return Cron(cron, timezone, name=name, dst_gap=dst_gap, dst_overlap=dst_overlap)
    if run_at is not None:
        return Once(run_at)
    return interval(repeat, EPOCH if anchor is None else anchor, check_timezone(timezone))


def _check_instant(given: object) -> None:
    if not (given is None or isinstance(given, datetime)):
        raise InvalidRecurrence(f"{shown(given)} is not an aware datetime, which a recurrence needs here.")
