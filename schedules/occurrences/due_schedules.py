"""Due schedules as a tick reads them: only the columns that the decision and its job need.

To read whole rows would cost three times as much, and a tick reads thousands.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from schedules.models import Schedule
from schedules.planning.columns import Columns
from worker.instants import is_real


class _Read(NamedTuple):
    id: int
    name: str
    formerly: str
    revision: int
    settled_until: datetime
    runs: int
    task: str
    arguments: str
    queue: str
    priority: int
    max_attempts: int
    own_options: str
    task_options: str | None
    verbose_name: str
    creator: str
    cron: str
    repeat: str
    run_at: datetime | None
    anchor: datetime | None
    timezone: str
    dst_gap: str
    dst_overlap: str
    starts_at: datetime | None
    repeat_until: datetime | None
    max_runs: int | None
    exclude: str
    catch_up: str
    catch_up_window: int | None
    max_catch_up: int
    late_after: int
    start_deadline: int | None
    overlap: str
    jitter: int
    retry_past_next: bool


class DueSchedule(Columns, _Read):
    """A schedule as it was read; its columns are those of `Schedule`."""

    __slots__ = ()


Readable = Schedule | DueSchedule
"""A schedule as it was read: the whole row, or what a tick needs of it."""

UNREADABLE = (ValueError, ArithmeticError, TypeError)
"""What its recurrence or its policies raise, where the row holds what no declaration would have made."""

COUNTED_BY = ("settled_until", "run_at", "anchor")
"""The instants by which runs are counted. Those among the policies are checked there."""


def due_schedules(using: str, now: datetime, most: int) -> list[DueSchedule]:
    """Those that have been due for longest."""
    rows = Schedule.objects.using(using).due(now).values_list(*DueSchedule._fields)[:most]
    return [DueSchedule._make(row) for row in rows]


def require_instants(schedule: Readable, *names: str) -> None:
    """Raises ValueError where one of these columns holds what is no instant."""
    for name in names:
        at = getattr(schedule, name)
        if at is not None and not is_real(at):
            raise ValueError(f"The value of {name} cannot be read as an instant. {_REMEDIES[name]}")


def instants_again(schedule: Readable, now: datetime) -> dict[str, datetime | None]:
    """What goes into the columns that tell where it stands, where they hold no instant; it is to be marked as broken.

    What somebody declared stays: it is his to correct.
    """
    stands = {"settled_until": now, "anchor": now, "paused_at": now, "paused_until": None}
    found = {name: getattr(schedule, name, None) for name in stands}
    return {name: stands[name] for name, at in found.items() if at is not None and not is_real(at)}


_REMEDIES = {
    "settled_until": "Once it is repaired, it counts from the time at which this was noticed.",
    "anchor": "Once it is repaired, it counts from the time at which this was noticed.",
    "paused_until": "Once it is repaired, the pause lasts until somebody resumes the schedule.",
    "run_at": "Give it another instant, or delete it.",
    "next_run_at": "The leader computes it anew within a minute.",
}
