"""Whether a wish and a row mean the same instants, and from which instant a repeat counts.

A recurrence that is written in another way, and means the same, does not change when a schedule runs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime

from schedules.models import Schedule
from schedules.occurrences.due_schedules import UNREADABLE
from schedules.recurrence import CalendarEvery, instant_of, recurrence_of
from schedules.recurrence.zones import local

LIMITS = ("starts_at", "repeat_until", "max_runs")
"""A change of one of them makes occurrences of instants that were none, or the other way round."""


def instants_of(row: Schedule) -> Hashable:
    """Equal for rows with the same instants, whatever their limits; None: it cannot be read."""
    try:
        return row.recurrence.meaning
    except UNREADABLE:
        return None


def limits_of(row: Schedule) -> Hashable:
    return tuple(getattr(row, name) for name in LIMITS)


def anchor_of(
    row: Schedule, wished: Schedule, start: datetime | None, now: datetime, has_begun: Callable[[], bool]
) -> datetime | None:
    """From where the repeat that is wished counts, where `row` says something already.

    From the start that it names; else from where it did, as long as its distance is the same, for all that anybody
    can read; else from now. `has_begun`: whether an instant since the anchor of the row was decided on.
    """
    if not wished.repeat:
        return row.anchor if row.cron and wished.cron else None
    if start is not None:
        return start
    try:
        return _kept_anchor(row, wished) or _anchor_anew(row, wished, now, has_begun)
    except UNREADABLE:
        return row.anchor or now


def _kept_anchor(row: Schedule, wished: Schedule) -> datetime | None:
    """A repeat in calendar units keeps the reading of its clock when its zone is changed."""
    if row.anchor is None or not row.repeat:
        return None
    was, will = (
        recurrence_of(repeat=each.repeat, anchor=row.anchor, timezone=wished.timezone) for each in (row, wished)
    )
    if was.meaning != will.meaning:
        return None
    if not isinstance(will, CalendarEvery):
        return row.anchor
    return instant_of(local(row.anchor, row.timezone).replace(tzinfo=None), wished.timezone)


def _anchor_anew(row: Schedule, wished: Schedule, now: datetime, has_begun: Callable[[], bool]) -> datetime:
    """Now; or the run that is planned already, where that is the first of its distance, and sooner.

    Two releases that wish for two distances in turn would else put it off for ever.
    """
    if not row.repeat or has_begun():
        return now
    planned = row.recurrence.after(max(now, row.settled_until))
    anew = recurrence_of(repeat=wished.repeat, anchor=now, timezone=wished.timezone).after(now)
    return planned if planned is not None and anew is not None and planned < anew else now
