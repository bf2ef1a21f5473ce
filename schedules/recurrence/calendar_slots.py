"""The slots of "every n days, months or years", counted from an anchor.

Each slot is counted from the anchor itself, never from a slot that was clamped to the end of a short month:
every month from 31 January is 28 February, then 31 March. Slots are naive; zones are not known here.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, datetime, timedelta
from itertools import count
from typing import Protocol


class Grid(Protocol):
    """Slots numbered from 0, the anchor."""

    def at(self, index: int) -> datetime | None:
        """The slot of that number; None after the end of the calendar."""

    def before(self, moment: datetime) -> int:
        """How many slots lie before the moment: the number of the first one not before it."""


@dataclass(frozen=True, slots=True)
class EveryDays:
    anchor: datetime
    every: int

    def at(self, index: int) -> datetime | None:
        if index * self.every > (datetime.max - self.anchor).days:
            return None
        return self.anchor + timedelta(days=index * self.every)

    def before(self, moment: datetime) -> int:
        return max(0, -((self.anchor - moment) // timedelta(days=self.every)))


@dataclass(frozen=True, slots=True)
class EveryMonths:
    anchor: datetime
    every: int

    def at(self, index: int) -> datetime | None:
        year, month = divmod(_month_number(self.anchor) + index * self.every, 12)
        if year > MAXYEAR:
            return None
        day = min(self.anchor.day, monthrange(year, month + 1)[1])
        return self.anchor.replace(year=year, month=month + 1, day=day)

    def before(self, moment: datetime) -> int:
        index = max(0, (_month_number(moment) - _month_number(self.anchor)) // self.every)
        slot = self.at(index)
        return index if slot is None or slot >= moment else index + 1


@dataclass(frozen=True, slots=True)
class CalendarSlots:
    """All slots of a grid."""

    grid: Grid

    def first(self, start: datetime) -> datetime | None:
        """The first slot at or after `start`."""
        return self.grid.at(self.grid.before(start))

    def last(self, end: datetime) -> datetime | None:
        """The last slot at or before `end`."""
        index = self._through(end) - 1
        return self.grid.at(index) if index >= 0 else None

    def walk(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The slots from `start` to `end`, both included, in order."""
        for index in count(self.grid.before(start)):
            slot = self.grid.at(index)
            if slot is None or slot > end:
                return
            yield slot

    def count(self, start: datetime, end: datetime) -> int:
        """How many slots lie between `start` and `end`, both included."""
        return max(0, self._through(end) - self.grid.before(start))

    def _through(self, moment: datetime) -> int:
        before = self.grid.before(moment)
        return before + 1 if self.grid.at(before) == moment else before


def _month_number(moment: datetime) -> int:
    return moment.year * 12 + moment.month - 1
