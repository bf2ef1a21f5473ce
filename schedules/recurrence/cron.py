"""Cron: the instants at which an expression matches the clock of a zone.

It brings three things together, and decides none of them: what the text means (`cron_grammar`), which readings of
a clock match (`cron_slots`), and which instants have them (`timeline`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from functools import lru_cache

from schedules.recurrence.clock_changes import LITERAL, ClockChange, GapRule, OverlapRule, clock_policy
from schedules.recurrence.cron_fields import CronFields
from schedules.recurrence.cron_grammar import parse
from schedules.recurrence.cron_slots import CronSlots
from schedules.recurrence.invalid import InvalidRecurrence, check_text, shown
from schedules.recurrence.timeline import Timeline
from schedules.recurrence.zones import check_timezone, zone


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
    dst_gap: GapRule = "run"
    dst_overlap: OverlapRule = "first"
    _timeline: Timeline = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for text in (self.expression, self.name, self.dst_gap, self.dst_overlap):
            check_text(text)
        object.__setattr__(self, "timezone", check_timezone(self.timezone))
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
        return self._timeline.note(instant)

    @property
    def meaning(self) -> Hashable:
        """Rules for changes of the clock mean something to fixed times, where the clock changes at all."""
        clock, slots = zone(self.timezone), _slots(parse(self.expression, self.name))
        rules = (self.dst_gap, self.dst_overlap) if clock.changes and self._is_fixed_time else None
        return ("cron", slots.meaning, clock, rules)

    def _made_timeline(self) -> Timeline:
        fields = parse(self.expression, self.name)
        slots = _slots(fields)
        if not slots.occur():
            raise InvalidRecurrence(f"{shown(self.expression)} never occurs.")
        chosen = clock_policy(self.dst_gap, self.dst_overlap)
        return Timeline(slots, self.timezone, LITERAL if fields.wildcard else chosen)

    @property
    def _is_fixed_time(self) -> bool:
        return not parse(self.expression, self.name).wildcard


@lru_cache(maxsize=4096)
def _slots(fields: CronFields) -> CronSlots:
    return CronSlots(fields)
