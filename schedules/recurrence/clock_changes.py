"""What a change of the clock does to a schedule: the rules, and how to say them.

A clock that moves by less than three hours skips or repeats readings, and a schedule has a policy for both.
The changes themselves come from `zones`, the readings that a schedule asks for from its slots; finding its
instants is the business of `timeline`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, get_args

from schedules.recurrence.instants import aware
from schedules.recurrence.invalid import InvalidRecurrence, shown
from schedules.recurrence.zones import OffsetChange, clock_text

GapRule = Literal["run", "skip"]
OverlapRule = Literal["first", "second", "both"]

LARGE_SHIFT = timedelta(hours=3)
"""A clock that moves by this much has changed sides of the date line: nothing is skipped or repeated."""


class Slots(Protocol):
    """The readings of a clock that a rule asks for, naive and in order. Bounds are included."""

    def first(self, start: datetime) -> datetime | None: ...
    def last(self, end: datetime) -> datetime | None: ...
    def walk(self, start: datetime, end: datetime) -> Iterator[datetime]: ...
    def count(self, start: datetime, end: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class ClockPolicy:
    """The gap rule, for the slots of a skipped interval, and the overlap rule, for those of a repeated one."""

    gap: GapRule
    overlap: OverlapRule


FIXED_TIME = ClockPolicy("run", "first")
LITERAL = ClockPolicy("skip", "both")
"""Every instant that has a matching reading, and no other."""


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A change of the clock that a schedule meets, and what will happen."""

    instant: datetime
    kind: Literal["gap", "overlap"]
    effect: str


def clock_policy(gap: GapRule, overlap: OverlapRule) -> ClockPolicy:
    """The policy of a gap rule and an overlap rule, as the options `dst_gap` and `dst_overlap` name them."""
    if gap not in get_args(GapRule):
        raise InvalidRecurrence(f'{shown(gap)} is not a dst_gap: expected "run" or "skip".')
    if overlap not in get_args(OverlapRule):
        raise InvalidRecurrence(f'{shown(overlap)} is not a dst_overlap: expected "first", "second" or "both".')
    return ClockPolicy(gap, overlap)


def skips(change: OffsetChange) -> bool:
    return timedelta() < change.shift < LARGE_SHIFT


def repeats(change: OffsetChange) -> bool:
    return -LARGE_SHIFT < change.shift < timedelta()


def first_slot_met(slots: Slots, change: OffsetChange) -> datetime | None:
    """The first slot in the interval that the change skips or repeats."""
    if not (skips(change) or repeats(change)):
        return None
    start, end = sorted((change.at + change.before, change.at + change.after))
    slot = slots.first(start)
    return slot if slot is not None and slot < end else None


def described(change: OffsetChange, policy: ClockPolicy) -> ClockChange:
    """The change, and in words what the policy makes of the slots that fall in it."""
    old, new = clock_text(change.at + change.before), clock_text(change.at + change.after)
    if skips(change):
        fate = f"runs once, at {new}" if policy.gap == "run" else "does not run"
        effect = f"The clock moves forward from {old} to {new}: what falls between {fate}."
        return ClockChange(aware(change.at), "gap", effect)
    times = {"first": "the first time only", "second": "the second time only", "both": "both times"}
    effect = f"The clock moves back from {old} to {new}: what falls between runs {times[policy.overlap]}."
    return ClockChange(aware(change.at), "overlap", effect)


def note(slots: Slots, policy: ClockPolicy, change: OffsetChange, instant: datetime) -> str | None:
    """What the change has to do with a run at this (naive) instant; None: nothing."""
    if skips(change) and policy.gap == "run" and instant == change.at:
        slot = first_slot_met(slots, change)
        return None if slot is None else f"{clock_text(slot)} is skipped: runs as the clock moves forward"
    if repeats(change) and change.shift <= instant - change.at < -change.shift:
        first_pass = instant < change.at
        reading = clock_text(instant + (change.before if first_pass else change.after))
        return f"{reading} occurs twice: this is the {'first' if first_pass else 'second'} time"
    return None
