"""What a schedule will do: its rule in words, and its next runs by its own clock. It reads one row and no table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from schedules.describe import describe
from schedules.models import Schedule
from schedules.planning import next_run
from schedules.planning.policies import InvalidPolicy
from schedules.recurrence import InvalidRecurrence, note
from schedules.recurrence.zones import local
from worker.admin import labels

SHOWN = 6
LATE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A run to come: by the schedule's clock, from now, exactly, and what is special about it."""

    wall: SafeString
    relative: str
    iso: str
    note: str


def words(schedule: Schedule) -> str:
    """The recurrence in words. Its zone is for the reader to see beside it."""
    try:
        return describe(schedule.recurrence, schedule.timezone)
    except InvalidRecurrence:
        return schedule.cron or schedule.repeat or (schedule.run_at.isoformat() if schedule.run_at else "")


def expression(schedule: Schedule) -> str:
    """The cron expression or the period as it was given, where it is not all that the words say."""
    given = schedule.cron or schedule.repeat
    return "" if given == words(schedule) else given


def next_runs(schedule: Schedule, now: datetime) -> list[Upcoming]:
    """The next few, and what the change of a clock or an excluded date has to do with them."""
    try:
        recurrence, excluded = schedule.recurrence, schedule.policies.exclude
        instants = list(islice(_instants(schedule), SHOWN))
    except (InvalidRecurrence, InvalidPolicy):
        return []
    return [
        Upcoming(
            wall=wall(at, schedule.timezone, now),
            relative=labels.relative(at, now),
            iso=in_zone(at, schedule.timezone).isoformat(),
            note=_("Excluded: does not run")
            if in_zone(at, schedule.timezone).date() in excluded
            else note(recurrence, at) or "",
        )
        for at in instants
    ]


def wall(at: datetime, timezone: str, now: datetime) -> SafeString:
    """An instant by the clock of a schedule's zone."""
    there = in_zone(at, timezone)
    return labels.exact(at, there, labels.wall(there, now))


def in_zone(at: datetime, timezone: str) -> datetime:
    try:
        return local(at, timezone)
    except InvalidRecurrence:  # the zone is unknown, or the date beyond the calendar's end
        return at


def next_run_label(schedule: Schedule, now: datetime) -> SafeString | str:
    at = schedule.next_run_at
    if at is None:
        return labels.NOTHING
    relative = labels.relative(at, now)
    return format_html(
        '{} <span class="carillon-quiet">{} · {}</span>',
        wall(at, schedule.timezone, now),
        schedule.timezone,
        labels.status("late", relative) if now - at > LATE else relative,
    )


def _instants(schedule: Schedule) -> Iterator[datetime]:
    recurrence, policies = schedule.recurrence, schedule.policies
    at, runs = schedule.next_run_at, schedule.runs
    while at is not None:
        yield at
        runs += in_zone(at, schedule.timezone).date() not in policies.exclude
        at = next_run(recurrence, policies, at, runs)
