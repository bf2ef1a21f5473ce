"""What a tick reads of the schedules that are due: what the decision and its job need, and no more.

A whole row costs three times as much to read, and a tick reads thousands.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from schedules.models import Schedule
from schedules.planning.columns import Columns


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

UNREADABLE = (ValueError, ArithmeticError)
"""What its recurrence or its policies raise, where the row holds what no declaration would have made."""


def due_schedules(using: str, now: datetime, most: int) -> list[DueSchedule]:
    """Those that have been due for longest."""
    rows = Schedule.objects.using(using).due(now).values_list(*DueSchedule._fields)[:most]
    return [DueSchedule._make(row) for row in rows]
