"""Recurrences: the pure rules behind schedules. Given an instant, when is the next one?

The door to everything about time: `Once`, `Every`, `CalendarEvery` and `Cron` are frozen values that answer
the four questions of `Recurrence`; `recurrence_of` makes them from what a schedule stores. What is overdue,
and what becomes of it, is decided in `policies`; nothing here reads a clock or a database.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol

from schedules.recurrence.clock_changes import LITERAL, ClockChange, Gap, Overlap, clock_policy
from schedules.recurrence.cron_grammar import CronFields, may_draw, parse
from schedules.recurrence.cron_slots import CronSlots
from schedules.recurrence.intervals import EPOCH, CalendarEvery, Every, Once, interval, parse_repeat
from schedules.recurrence.invalid import InvalidRecurrence, shown
from schedules.recurrence.timeline import Timeline
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
    "InvalidRecurrence",
    "Once",
    "Recurrence",
    "note",
    "parse_repeat",
    "recurrence_of",
]

NEVER = 0
MINUTELY = 60
HOURLY = 60 * MINUTELY
DAILY = 24 * HOURLY
WEEKLY = 7 * DAILY
EVERY_2_WEEKS = 2 * WEEKLY
EVERY_4_WEEKS = 4 * WEEKLY


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


@dataclass(frozen=True, slots=True)
class Cron:
    """The instants at which a cron expression matches the clock of a zone.

    A *fixed-time* expression, none of whose time fields starts with `*`, treats changes of the clock by
    `dst_gap` and `dst_overlap`; any other is taken literally. `name` is the schedule's: `H` draws from it.
    """

    expression: str
    timezone: str = "UTC"
    _: KW_ONLY
    name: str = ""
    dst_gap: Gap = "run"
    dst_overlap: Overlap = "first"
    _timeline: Timeline = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for text in (self.expression, self.timezone, self.name, self.dst_gap, self.dst_overlap):
            _check_text(text)
        object.__setattr__(self, "_timeline", self._made_timeline())

    def after(self, instant: datetime) -> datetime | None:
        return self._timeline.after(instant)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        return self._timeline.between(start, end)

    def latest(self, start: datetime, end: datetime) -> datetime | None:
        return self._timeline.latest(start, end)

    def count(self, start: datetime, end: datetime) -> int:
        return self._timeline.count(start, end)

    def clock_changes(self, start: datetime, end: datetime) -> Iterator[ClockChange]:
        """The changes of the clock after `start`, up to and including `end`, that fixed times fall in."""
        return self._timeline.clock_changes(start, end) if self._is_fixed_time else iter(())

    def skipped(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The changes in that range at which `dst_gap="skip"` dropped fixed times and nothing else runs."""
        return self._timeline.skipped(start, end) if self._is_fixed_time else iter(())

    def note(self, instant: datetime) -> str | None:
        """What a change of the clock has to do with the run at this instant; None: nothing."""
        return self._timeline.remark(instant)

    def _made_timeline(self) -> Timeline:
        fields = parse(self.expression, self.name)
        slots = _slots(fields)
        if not slots.occur():
            raise InvalidRecurrence(f"{shown(self.expression)} never occurs.")
        chosen = clock_policy(self.dst_gap, self.dst_overlap)
        return Timeline(slots, check_timezone(self.timezone), LITERAL if fields.wildcard else chosen)

    @property
    def _is_fixed_time(self) -> bool:
        return not parse(self.expression, self.name).wildcard


def note(recurrence: Recurrence, instant: datetime) -> str | None:
    """What a change of the clock has to do with the run of the recurrence at this instant; None: nothing."""
    return recurrence.note(instant) if isinstance(recurrence, Cron | CalendarEvery) else None


def recurrence_of(
    *,
    cron: str = "",
    repeat: int | timedelta | str = "",
    run_at: datetime | None = None,
    timezone: str = "UTC",
    anchor: datetime | None = None,
    name: str = "",
    dst_gap: Gap = "run",
    dst_overlap: Overlap = "first",
) -> Recurrence:
    """The recurrence that exactly one of `cron`, `repeat` and `run_at` describes; a look-up when known."""
    if not isinstance(repeat, str):
        repeat = parse_repeat(repeat)
    for text in (cron, timezone, name, dst_gap, dst_overlap):
        _check_text(text)
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
    dst_gap: Gap,
    dst_overlap: Overlap,
) -> Recurrence:
    repeat = parse_repeat(repeat)
    if [bool(cron), bool(repeat), run_at is not None].count(True) != 1:
        raise InvalidRecurrence("A schedule needs exactly one of cron, repeat and run_at.")
    if cron:
        return Cron(cron, timezone, name=name, dst_gap=dst_gap, dst_overlap=dst_overlap)
    if run_at is not None:
        return Once(run_at)
    return interval(repeat, EPOCH if anchor is None else anchor, check_timezone(timezone))


@lru_cache(maxsize=4096)
def _slots(fields: CronFields) -> CronSlots:
    return CronSlots(fields)


def _check_text(given: object) -> None:
    if not isinstance(given, str):
        raise InvalidRecurrence(f"{shown(given)} stands where a recurrence has text.")


def _check_instant(given: object) -> None:
    if not (given is None or isinstance(given, datetime)):
        raise InvalidRecurrence(f"{shown(given)} stands where a recurrence has an aware datetime.")
