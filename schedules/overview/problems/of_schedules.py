"""Problems of schedules: broken, late, failing, ahead of the clock, or of a task that this process does not know."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import F, OuterRef, Subquery
from django.utils.translation import gettext as _

from schedules.overview.kinds import values_of
from schedules.overview.scope import Scope
from schedules.overview.values import LATE, Problem
from worker import masking
from worker.dialects.portions import portions
from worker.instants import FIRST, LAST
from worker.models import FinishedJob, FinishedState
from worker.own_options import said_in
from worker.queue import unretried
from worker.unknown import why_unknown

MOST_KEYS = 500
"""In one statement."""


def undecided(scope: Scope) -> Iterator[Problem]:
    """Those that no tick decides on, asked in one statement: each part finds its few by an index of its own.

    Of cursors none is in the future where all is well, but for those of schedules that are to begin later. A tick keeps
    that index for a hundredth of its time.
    """
    late = scope.rows.planned().filter(next_run_at__lt=scope.now - LATE)
    parts = [rows.values_list("name", "broken", "next_run_at") for rows in (late, scope.rows.ahead(scope.now))]
    broken = scope.rows.marked_broken().values_list("name", "broken", "next_run_at")
    for name, why, due_at in broken.union(*parts, all=True):
        since = (scope.now - (due_at or FIRST)).total_seconds()
        words = {"name": name, "why": masking.text(why), "seconds": since}
        if why:
            yield Problem("broken", _('"%(name)s" is broken: %(why)s') % words, name)
        elif since > 0:
            message = _('"%(name)s" is late by %(seconds)d s: it is due, and no leader has decided on it.')
            yield Problem("late", message % words, name)
        else:
            message = _(
                '"%(name)s" stands still, because the clock was set back. Press Repair in the admin, or '
                "call repair() in schedules.api."
            )
            yield Problem("ahead", message % words, name)


def unknown_tasks(scope: Scope) -> Iterator[Problem]:
    """Of the tasks that schedules name, an index gives one after the other; only the rows of the unknown are read."""
    unknown = [task for task in values_of(scope.all_rows, "task") if task not in scope.known_tasks]
    if not unknown:
        return
    for name, task in scope.rows.in_force().filter(task__in=unknown).values_list("name", "task"):
        message = _('"%(name)s" names the task %(task)s, which this process does not know.')
        yield Problem("unknown-task", f"{message % {'name': name, 'task': task}} {why_unknown(task)}", name)


def failing(scope: Scope) -> Iterator[Problem]:
    """The job that finished last has failed. Of a schedule that has ended, it is told for a while.

    A success after it may be none of those that history keeps: then the schedule remembers it.
    """
    for some in portions(_last_failed(scope), MOST_KEYS):
        finished = FinishedJob.objects.filter(schedule_id=OuterRef("pk"), finished_at__lt=LAST)
        newest = finished.order_by("-finished_at")
        reasons, ends = Subquery(newest.values("reason")[:1]), Subquery(newest.values("finished_at")[:1])
        failed_for = Subquery(newest.values("scheduled_for")[:1])
        rows = (scope.rows.planned() | scope.rows.ended()).filter(pk__in=some)
        told = rows.annotate(why=reasons, failed_at=ends).exclude(next_run_at=None, failed_at__lt=scope.failures_since)
        told = told.annotate(failed_for=failed_for).exclude(forgotten_success__gt=F("failed_for"))
        for name, task, own, why in told.values_list("name", "task", "task_options", "why"):
            if said_in(own).get("may_fail", task in scope.may_fail):
                continue
            message = _('"%(name)s" failed in its last run: %(why)s') % {"name": name, "why": masking.text(why)}
            yield Problem("failing", message, name)


def _last_failed(scope: Scope) -> list[int]:
    """The keys of such schedules: those of jobs that failed after which no other finished. Indexes have the answer."""
    finished = FinishedJob.objects.using(scope.using).filter(finished_at__lt=LAST)
    failed = unretried(finished.filter(state=FinishedState.FAILED, schedule_id__isnull=False))
    newest = finished.filter(schedule_id=OuterRef("schedule_id")).order_by("-finished_at").values("finished_at")
    last = failed.filter(finished_at=Subquery(newest[:1]))
    keys = last.order_by("schedule_id").values_list("schedule_id", flat=True).distinct()
    return [key for key in keys if key is not None]
