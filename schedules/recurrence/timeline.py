"""The instants of slots in a zone: where a schedule's readings and a zone's clock meet.

A zone's time falls into windows, one between any two changes of its clock and, where skipped slots run, one
at the change itself. Inside a window slots and instants are one shift apart, so searching, counting and
walking go window by window, and most questions concern a single one. Which changes skip or repeat, and what a
policy makes of it, is decided in `clock_changes`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from schedules.recurrence.clock_changes import (
    FIXED_TIME,
    LARGE_SHIFT,
    ClockChange,
    ClockPolicy,
    Slots,
    described,
    first_slot_met,
    note,
    repeats,
    skips,
)
from schedules.recurrence.instants import TICK, aware, naive_utc
from schedules.recurrence.zones import OffsetChange, Zone, zone


@dataclass(frozen=True, slots=True)
class Window:
    """A span of instants (naive, in UTC) and the span of readings that belongs to it, all bounds included.

    A skipped interval is a window of one instant and many readings: all its slots collapse to that instant.
    """

    begins: datetime
    ends: datetime
    opens: datetime
    closes: datetime

    @property
    def collapses(self) -> bool:
        return self.begins == self.ends

    def instant(self, slot: datetime) -> datetime:
        return min(self.begins + (slot - self.opens), self.ends)

    def reading_from(self, start: datetime) -> datetime:
        """The earliest reading of an instant at or after `start`, which is not after the window."""
        return self.opens if start <= self.begins else self.opens + (start - self.begins)

    def reading_until(self, end: datetime) -> datetime:
        """The latest reading of an instant at or before `end`, which is not before the window."""
        return self.closes if end >= self.ends else self.opens + (end - self.begins)


class Windows:
    """All windows of a zone under a policy, in order. They do not touch, so no instant belongs to two."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows
        self._begins = [window.begins for window in windows]
        self._ends = [window.ends for window in windows]

    def spanning(self, start: datetime, end: datetime) -> Sequence[Window]:
        """Those that have an instant between `start` and `end`, both included, or none at all in between."""
        return self._windows[bisect_left(self._ends, start) : bisect_right(self._begins, end)]


class Timeline:
    """The instants of slots in a zone, by a policy for its changes: aware ones come in, UTC goes out."""

    def __init__(self, slots: Slots, timezone: str, policy: ClockPolicy) -> None:
        self._slots = slots
        self._policy = policy
        self._changes = zone(timezone).changes
        self._windows = windows(timezone, policy)

    def after(self, instant: datetime) -> datetime | None:
        """The first one after the instant; None when the calendar ends before."""
        start = naive_utc(instant)
        found = self._first(start + TICK) if start < datetime.max else None
        return None if found is None else aware(found)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Those after `start`, up to and including `end`, in order."""
        return self._walk(naive_utc(start), naive_utc(end))

    def latest(self, start: datetime, end: datetime) -> datetime | None:
        """The last one after `start`, up to and including `end`."""
        after, until = naive_utc(start), naive_utc(end)
        found = self._last(until) if after < until else None
        return None if found is None or found <= after else aware(found)

    def count(self, start: datetime, end: datetime) -> int:
        """How many there are after `start`, up to and including `end`."""
        after, until = naive_utc(start), naive_utc(end)
        if after >= until:
            return 0
        start = after + TICK
        return sum(self._count(window, start, until) for window in self._windows.spanning(start, until))

    def clock_changes(self, start: datetime, end: datetime) -> Iterator[ClockChange]:
        """The changes of the clock after `start`, up to and including `end`, that slots fall in."""
        changes = self._changes_met(naive_utc(start), naive_utc(end))
        return (described(change, self._policy) for change in changes)

    def skipped(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The changes in that range whose skipped slots do not run, and at which no other slot does."""
        changes = self._changes_met(naive_utc(start), naive_utc(end))
        return (aware(change.at) for change in changes if self._drops(change))

    def note(self, instant: datetime) -> str | None:
        """What a change of the clock has to do with the run at this instant; None: nothing."""
        run = naive_utc(instant)
        near = bisect_left(self._changes, run, key=lambda change: change.at - LARGE_SHIFT) - 1
        return note(self._slots, self._policy, self._changes[near], run) if near >= 0 else None

    def _first(self, start: datetime) -> datetime | None:
        slot, searched = datetime.min, datetime.max  # nothing was searched yet
        for window in self._windows.spanning(start, datetime.max):
            reading = window.reading_from(start)
            # The slot found for an earlier reading may be the first one here too; that spares a search.
            if not searched <= reading <= slot:
                found = self._slots.first(reading)
                if found is None:
                    return None
                slot, searched = found, reading
            if slot <= window.closes:
                return window.instant(slot)
        return None

    def _last(self, end: datetime) -> datetime | None:
        slot, searched = datetime.max, datetime.min  # nothing was searched yet
        for window in reversed(self._windows.spanning(datetime.min, end)):
            reading = window.reading_until(end)
            if not slot <= reading <= searched:
                found = self._slots.last(reading)
                if found is None:
                    return None
                slot, searched = found, reading
            if slot >= window.opens:
                return window.instant(slot)
        return None

    def _walk(self, after: datetime, until: datetime) -> Iterator[datetime]:
        if after >= until:
            return
        start = after + TICK
        for window in self._windows.spanning(start, until):
            slots = self._slots.walk(window.reading_from(start), window.reading_until(until))
            if window.collapses:
                slots = islice(slots, 1)
            for slot in slots:
                yield aware(window.instant(slot))

    def _count(self, window: Window, start: datetime, end: datetime) -> int:
        count = self._slots.count(window.reading_from(start), window.reading_until(end))
        return min(count, 1) if window.collapses else count

    def _changes_met(self, after: datetime, until: datetime) -> Iterator[OffsetChange]:
        begin = bisect_right(self._changes, after, key=lambda change: change.at)
        end = bisect_right(self._changes, until, key=lambda change: change.at)
        return (change for change in self._changes[begin:end] if first_slot_met(self._slots, change))

    def _drops(self, change: OffsetChange) -> bool:
        reading = change.at + change.after
        return skips(change) and self._policy.gap == "skip" and self._slots.first(reading) != reading


def instant_of(reading: datetime, timezone: str) -> datetime:
    """When a clock there shows the (naive) reading, as a fixed time: skipped, at the change; twice, the first time."""
    every = windows(timezone, FIXED_TIME).spanning(datetime.min, datetime.max)
    window = next((each for each in every if reading <= each.closes), every[-1])
    return aware(window.instant(max(reading, window.opens)))


@lru_cache(maxsize=2048)
def windows(timezone: str, policy: ClockPolicy) -> Windows:
    """The windows of a known zone."""
    return Windows(tuple(_windows(zone(timezone), policy)))


def _windows(history: Zone, policy: ClockPolicy) -> Iterator[Window]:
    offset = history.offset
    opens = datetime.min if offset < timedelta() else datetime.min + offset
    for change in history.changes:
        yield _steady(opens, _closes(change, policy), offset)
        if _runs_skipped(change, policy):
            yield Window(change.at, change.at, change.at + change.before, change.at + change.after)
        opens, offset = _opens(change, policy), change.after
    yield _steady(opens, datetime.max if offset > timedelta() else datetime.max + offset, offset)


def _steady(opens: datetime, closes: datetime, offset: timedelta) -> Window:
    return Window(opens - offset, closes - offset, opens, closes)


def _closes(change: OffsetChange, policy: ClockPolicy) -> datetime:
    drops_first_pass = repeats(change) and policy.overlap == "second"
    return change.at + (change.after if drops_first_pass else change.before) - TICK


def _opens(change: OffsetChange, policy: ClockPolicy) -> datetime:
    if _runs_skipped(change, policy):
        return change.at + change.after + TICK  # the reading at the change collapses with the skipped ones
    drops_second_pass = repeats(change) and policy.overlap == "first"
    return change.at + (change.before if drops_second_pass else change.after)


def _runs_skipped(change: OffsetChange, policy: ClockPolicy) -> bool:
    return skips(change) and policy.gap == "run"
