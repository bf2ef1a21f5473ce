"""Which schedules have an unfinished run. Their `overlap` policy then decides on overdue occurrences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from schedules.models import Schedule
from schedules.occurrences.jobs import lane_of
from schedules.planning.policies import Overlap
from worker import queue
from worker.values import Unfinished


def unfinished_jobs(using: str, rows: Sequence[Schedule], now: datetime) -> Mapping[int, Collection[Unfinished]]:
    """By the key of a row that is overdue: the jobs that a tick would look at. Where none is, no table is read."""
    lanes = {lane_of(row.pk): row.pk for row in rows if row.overlap != Overlap.ALLOW and _is_overdue(row, now)}
    found = queue.unfinished_of(list(lanes), using) if lanes else {}
    return {lanes[lane]: jobs for lane, jobs in found.items()}


def _is_overdue(row: Schedule, now: datetime) -> bool:
    return any(at is not None and at <= now for at in (row.next_run_at, row.paused_until))
