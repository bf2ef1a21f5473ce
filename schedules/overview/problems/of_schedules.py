"""What is wrong with schedules: broken, late, failing, ahead of the clock, or of a task that nobody knows here."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _

from schedules.models import Occurrence
from schedules.overview.kinds import values_of
from schedules.overview.scope import Scope
from schedules.overview.values import LATE, Problem
from worker import masking
from worker.models import FinishedJob, FinishedState


def broken(scope: Scope) -> Iterator[Problem]:
    for name, why in scope.rows.marked_broken().values_list("name", "broken"):
        message = _('"%(name)s" is broken: %(why)s') % {"name": name, "why": masking.text(why)}
        yield Problem("broken", message, name)


def unknown_tasks(scope: Scope) -> Iterator[Problem]:
    """Of the tasks that schedules name, an index gives one after the other; only the rows of the unknown are read."""
    unknown = [task for task in values_of(scope.all_rows, "task") if task not in scope.known_tasks]
    if not unknown:
        return
    for name, task in scope.rows.in_force().filter(task__in=unknown).values_list("name", "task"):
        message = _('"%(name)s" names the task %(task)s, which this process does not know.')
        yield Problem("unknown-task", message % {"name": name, "task": task}, name)


def ahead(scope: Scope) -> Iterator[Problem]:
    """The clock was set back, and the schedule would stand still until it has caught up.

    Whatever has moved a cursor has left a trace: a tick in the ledger, a change in the row. A cursor that is ahead of
    the clock was moved in what is now the future, and so was dated: these few are found by an index, where cursors have
    none, since each tick would have to keep it.
    """
    in_ledger = Occurrence.objects.filter(recorded_at__gt=scope.now).values("schedule")
    changed = scope.all_rows.filter(changed_at__gt=scope.now).values("pk")
    suspects = scope.rows.filter(pk__in=in_ledger.union(changed))
    for name in suspects.ahead(scope.now).values_list("name", flat=True):
        message = _('"%(name)s" stands still since the clock was set back; repair it in schedules.api.')
        yield Problem("ahead", message % {"name": name}, name)


def late(scope: Scope) -> Iterator[Problem]:
    overdue = scope.rows.planned().filter(next_run_at__lt=scope.now - LATE)
    for name, due_at in overdue.values_list("name", "next_run_at"):
        assert due_at is not None
        message = _('"%(name)s" is late by %(seconds)d s: it is due, and no leader has decided on it.')
        yield Problem("late", message % {"name": name, "seconds": (scope.now - due_at).total_seconds()}, name)


def failing(scope: Scope) -> Iterator[Problem]:
    """The job that finished last has failed. Only schedules of which any has failed are asked for their last."""
    failed = FinishedJob.objects.filter(state=FinishedState.FAILED, schedule_id__isnull=False)
    finished = FinishedJob.objects.filter(schedule_id=OuterRef("pk")).order_by("-finished_at")
    rows = scope.rows.planned().filter(pk__in=failed.values("schedule_id"))
    last = rows.annotate(last_state=Subquery(finished.values("state")[:1]), why=Subquery(finished.values("reason")[:1]))
    for name, why in last.filter(last_state=FinishedState.FAILED).values_list("name", "why"):
        message = _('"%(name)s" failed in its last run: %(why)s') % {"name": name, "why": masking.text(why)}
        yield Problem("failing", message, name)
