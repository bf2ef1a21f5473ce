"""The health check for monitors: all problems, and the few figures that are shown if there are none."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from schedules.overview import problems
from schedules.overview.busy import unfinished_jobs
from schedules.overview.listing import with_whole_names
from schedules.overview.scope import Scope
from schedules.overview.selection import EVERYTHING, Selection
from schedules.overview.upcoming import by_urgency, upcoming
from schedules.overview.values import Health

MOST_COUNTED = 10_000
"""Counting costs what there is. Of more than this, nobody asks how many."""
FIRST = 20
"""Rows among which the next run is looked for: one on an excluded date makes a later one the next."""


def health(using: str, now: datetime, selection: Selection = EVERYTHING) -> Health:
    """Of what is asked for. Raises UnknownName."""
    scope = Scope(using, now, selection)
    if not scope.has_tables:
        return Health(now, None, 0, None, problems.without_tables(scope))
    scope = with_whole_names(scope)
    found = problems.find(scope)
    number = counted(scope.rows) + sum(map(scope.selection.concerns, scope.unsynced))
    return Health(now, scope.lead, number, None if found else _next_run(scope), found)


def counted(rows: QuerySet[Any]) -> int:
    """How many there are, and of more than `MOST_COUNTED` one more than that."""
    return rows.order_by()[: MOST_COUNTED + 1].count()


def _next_run(scope: Scope) -> tuple[str, datetime] | None:
    """The tables tell when a row is next decided on, the row whether it will run then."""
    planned = scope.rows.planned().order_by("next_run_at")[:FIRST]
    paused = scope.rows.paused().filter(paused_until__isnull=False).order_by("paused_until")[:FIRST]
    rows = (*planned, *paused)
    unfinished = unfinished_jobs(scope.using, rows, scope.now)
    first = by_urgency(upcoming(row, None, scope.now, 1, unfinished.get(row.pk, ())) for row in rows)[:1]
    return next(((each.name, each.next_run_at) for each in first if each.next_run_at is not None), None)
