"""The jobs that run, those first that have run longest, and how far they say they are.

It reads a few, however many run. Where none does, that is one look at an index, and no report is read.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import QuerySet

from schedules.overview.scope import Scope
from schedules.overview.values import RunningJob, Upcoming
from worker.models import Job, JobState
from worker.reports import progress_by_job

MOST_RUNNING = 10
COLUMNS = ("id", "task", "verbose_name", "queue", "claimed_at", "attempts", "max_attempts", "schedule_id")


def running_jobs(scope: Scope, shown: Collection[Upcoming]) -> tuple[RunningJob, ...]:
    """Of those asked for. Where schedules are asked for by name, those of the schedules that are `shown`."""
    if (asked_for := _asked_for(scope, shown)) is None:
        return ()
    jobs = list(asked_for.filter(state=JobState.RUNNING).order_by("claimed_at", "pk").only(*COLUMNS)[:MOST_RUNNING])
    told = progress_by_job(scope.using, [job.pk for job in jobs])
    names = scope.names_of(jobs)
    return tuple(
        RunningJob(
            id=job.pk,
            task=job.task,
            verbose_name=job.verbose_name,
            queue=job.queue,
            started_at=job.claimed_at or scope.now,
            attempt=job.attempts + 1,
            max_attempts=job.max_attempts,
            schedule=None if job.schedule_id is None else names.get(job.schedule_id),
            progress=told.get(job.pk),
        )
        for job in jobs
    )


def _asked_for(scope: Scope, shown: Collection[Upcoming]) -> QuerySet[Job] | None:
    """None: no jobs are asked for."""
    jobs = Job.objects.using(scope.using)
    if scope.selection.names:
        return jobs.filter(schedule_id__in=[each.id for each in shown if each.id is not None])
    if not scope.selection.has_jobs:
        return None
    return jobs if scope.selection.queue is None else jobs.filter(queue=scope.selection.queue)
