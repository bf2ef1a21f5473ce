"""Preview an edit: make it, look at the result, and roll it back.

So a preview shows exactly what the edit would do. It holds the row's lock for as long as the edit itself would.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import F, Max

from schedules.models import Occurrence, Schedule
from schedules.overview.busy import unfinished_jobs
from schedules.overview.upcoming import upcoming
from schedules.overview.values import Explanation, Preview

RUNS = 10


def preview(identity: str, edit: Callable[[], object], using: str, now: datetime) -> Preview:
    """Of an edit of the schedule that has, or would have, this identity. Raises what the edit raises."""
    rows = Schedule.objects.using(using).filter(identity=identity)
    lines = Occurrence.objects.using(using)
    with transaction.atomic(using=using):
        rows.update(revision=F("revision"))  # what is read from now on nobody else changes; SQLite wants a write first
        before = _runs(rows.first(), using, now)
        newest = lines.aggregate(key=Max("pk"))["key"] or 0
        edit()
        row = rows.first()
        after = _runs(row, using, now)
        new = list(lines.filter(schedule=row, pk__gt=newest).order_by("scheduled_for")) if row is not None else []
        transaction.set_rollback(True, using=using)
    enqueued = [line.scheduled_for for line in new if line.job_id is not None]
    return Preview(
        before=tuple(at for at in before if at > now),
        after=tuple(at for at in after if at > now),
        at_once=tuple(sorted({*enqueued, *(at for at in after if at <= now)})),
        explained=tuple(_explanation(line) for line in new if line.job_id is None),
    )


def _runs(row: Schedule | None, using: str, now: datetime) -> list[datetime]:
    if row is None:
        return []
    unfinished = unfinished_jobs(using, [row], now).get(row.pk, ())
    return [run.at for run in upcoming(row, None, now, RUNS, unfinished).next_runs]


def _explanation(line: Occurrence) -> Explanation:
    return Explanation(line.scheduled_for, line.latest, line.count, line.outcome, line.reason)
