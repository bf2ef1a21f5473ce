"""A row after it was made: edited, marked as declared or not, retired."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from schedules.changes.pauses import let_due_run
from schedules.changes.revisions import require_revision
from schedules.changes.row import locked, plan_next, put, tell
from schedules.changes.wishes import Wish, follow
from schedules.models import DECLARED, Schedule
from schedules.occurrences.jobs import leave_all_behind
from schedules.spec import FROM_TASK
from worker.carry.stored import kept


def edit(
    schedule: Schedule,
    using: str,
    now: datetime,
    *,
    anchor: datetime | None = None,
    runs_late: bool = True,
    revision: str | None = None,
    **columns: Any,
) -> Schedule:
    """Change columns of a schedule. They have been checked by `spec_of`. What its runs carry stays.

    `anchor`: from where a repeat is to count. `runs_late`: whether a one-off whose time is past runs at once.
    `revision`: what the row is to be before; raises RevisionConflict.
    """
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        require_revision(row, revision)
        if "task_options" in columns:
            columns["task_options"] = kept(columns["task_options"], row.task_options)
        own = {*row.own_options.split(), *(FROM_TASK & columns.keys())}
        wish = Wish({"own_options": " ".join(sorted(own)), **columns}, anchor, runs_late=runs_late)
        if follow(row, wish, using, now):
            leave_all_behind([row], using)
    tell(row, "updated", using)
    return row


def mark_declared(pks: Sequence[int], using: str, synced_by: datetime) -> None:
    """Note that the process which started then declares these schedules, just as they are."""
    Schedule.objects.using(using).filter(pk__in=pks).update(synced_by=synced_by, undeclared_at=None)


def mark_undeclared(pks: Sequence[int], using: str, now: datetime) -> None:
    """Note that since now nobody declares these schedules. They go on until they are retired."""
    Schedule.objects.using(using).filter(pk__in=pks).update(undeclared_at=now)


def retire(schedule: Schedule, using: str, now: datetime) -> None:
    """Its declaration is gone: nothing runs any more, history stays."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        if row.source in DECLARED and row.undeclared_at is not None and row.retired_at is None:
            let_due_run(row, using, now)
            put(row, retired_at=now)
            plan_next(row, using, now)
    tell(row, "retired", using)
