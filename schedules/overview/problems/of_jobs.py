"""Problems of jobs: they start late, no worker serves their queue or knows their task, or they have failed."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Max, Min, QuerySet
from django.utils.translation import ngettext

from schedules.occurrences.jobs import JOBS_LEFT_BEHIND
from schedules.overview.scope import Scope
from schedules.overview.values import LATE, Problem
from worker.instants import LAST
from worker.models import FinishedJob, FinishedState, Job, JobState
from worker.options import options
from worker.queue import unretried
from worker.serving import served_queues, what_is_served
from worker.unknown import why_unknown


def overdue(scope: Scope) -> Iterator[Problem]:
    """Jobs whose time has come and that nobody starts: their queue has no worker, or is behind."""
    due = _jobs(scope).filter(state__in=(JobState.READY, JobState.SCHEDULED), run_at__lte=scope.now)
    counted = list(due.values_list("queue").annotate(Count("pk"), Min("run_at")).order_by("queue"))
    served = served_queues(scope.workers) if counted else None
    for queue, count, oldest in counted:
        waited = scope.now - oldest
        words = {"queue": queue, "count": count, "seconds": waited.total_seconds()}
        if served is not None and queue not in served:
            message = f"{_no_worker(count) % words} {what_is_served(served)}"
            yield Problem("no-worker", message, queue=queue)
        elif waited > LATE:
            yield Problem("late", _late(count) % words, queue=queue)


def unknown_tasks(scope: Scope) -> Iterator[Problem]:
    unknown = _jobs(scope).exclude(task__in=scope.known_tasks)
    for task, queue, count in unknown.values_list("task", "queue").annotate(Count("pk")).order_by("task", "queue"):
        message = ngettext(
            "%(count)d job names the task %(task)s, which this process does not know.",
            "%(count)d jobs name the task %(task)s, which this process does not know.",
            count,
        )
        told = f"{message % {'count': count, 'task': task}} {why_unknown(task)}"
        yield Problem("unknown-task", told, queue=queue, task=task)


def left_behind(scope: Scope) -> Iterator[Problem]:
    """Jobs that nobody has started, of a task or a queue that their schedule has no more."""
    jobs = _jobs(scope).filter(JOBS_LEFT_BEHIND).order_by("schedule_id", "task", "queue")
    counted = list(jobs.values_list("schedule_id", "task", "queue").annotate(Count("pk")))
    names = dict(scope.rows.filter(pk__in={key for key, *_ in counted}).values_list("pk", "name"))
    for key, task, queue, count in counted:
        if key in names:
            words = {"name": names[key], "count": count, "task": task, "queue": queue}
            yield Problem("left-behind", _left_behind(count) % words, names[key])


def failed(scope: Scope) -> Iterator[Problem]:
    """Jobs of calls that are not tried again, and that nobody has retried by hand.

    Those of schedules are not counted: the next run makes good for one that failed, so of these the last one tells.
    """
    failures = FinishedJob.objects.using(scope.using).filter(
        state=FinishedState.FAILED, schedule_id=None, finished_at__gte=scope.failures_since, finished_at__lt=LAST
    )
    if scope.selection.queue is not None:
        failures = failures.filter(queue=scope.selection.queue)
    counted = unretried(failures.exclude(task__in=scope.may_fail)).values_list("task")
    for task, count, first, last in counted.annotate(Count("pk"), Min("finished_at"), Max("finished_at")).order_by(
        "task"
    ):
        if count > options().FAILURES_ALLOWED:
            words = {"task": task, "count": count, "first": first.isoformat(timespec="seconds")}
            words["seconds"] = (scope.now - last).total_seconds()
            yield Problem("failed-jobs", _failed(count) % words, task=task)


def _jobs(scope: Scope) -> QuerySet[Job]:
    jobs = Job.objects.using(scope.using)
    return jobs if scope.selection.queue is None else jobs.filter(queue=scope.selection.queue)


def _left_behind(count: int) -> str:
    return ngettext(
        '"%(name)s" has another task or queue now, and goes on without %(count)d job of %(task)s on queue "%(queue)s". '
        "It waits for a worker that knows this task and drains this queue. If there will be none, cancel it.",
        '"%(name)s" has another task or queue now, and goes on without %(count)d jobs of %(task)s on queue '
        '"%(queue)s". '
        "They wait for a worker that knows this task and drains this queue. If there will be none, cancel them.",
        count,
    )


def _failed(count: int) -> str:
    return ngettext(
        "%(count)d job of %(task)s failed for good at %(first)s, %(seconds)d s ago.",
        "%(count)d jobs of %(task)s failed for good: the first at %(first)s, the last %(seconds)d s ago.",
        count,
    )


def _no_worker(count: int) -> str:
    return ngettext(
        'Queue "%(queue)s" has no worker: %(count)d job is due, for %(seconds)d s.',
        'Queue "%(queue)s" has no worker: %(count)d jobs are due, the oldest for %(seconds)d s.',
        count,
    )


def _late(count: int) -> str:
    return ngettext(
        'Queue "%(queue)s" is behind: %(count)d job is due, for %(seconds)d s.',
        'Queue "%(queue)s" is behind: %(count)d jobs are due, the oldest for %(seconds)d s.',
        count,
    )
