"""The jobs that do not run yet, those first whose time is first, and what keeps those that are due from running.

It reads a few of each kind, however many there are: of those that are ready, those that run next.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest

from django.db.models import Q

from schedules.overview.hindrances import hindrances
from schedules.overview.scope import Scope
from schedules.overview.values import PendingJob
from worker.models import Job, JobState

MOST_JOBS = 20
KINDS = (
    (Q(state=JobState.SCHEDULED), ("run_at", "pk")),
    (Q(state=JobState.READY), ("-priority", "pk")),
    (Q(state__in=(JobState.WAITING, JobState.HELD), lane__isnull=False), ("run_at", "pk")),
)
"""Of delayed and of ready jobs an index has this order, so a full queue costs no more than an empty one. Only in a lane
does a job wait for others; to say so lets an index find those.
"""


def pending_jobs(scope: Scope) -> tuple[PendingJob, ...]:
    if not scope.selection.has_jobs:
        return ()
    jobs = nsmallest(MOST_JOBS, _first_of_each_kind(scope), key=lambda job: (job.run_at, job.pk))
    hindered = hindrances(jobs, scope.workers, scope.now) if jobs else {}
    names = scope.names_of(jobs)
    return tuple(
        PendingJob(
            id=job.pk,
            task=job.task,
            verbose_name=job.verbose_name,
            queue=job.queue,
            priority=job.priority,
            run_at=job.run_at,
            attempts=job.attempts,
            schedule=None if job.schedule_id is None else names.get(job.schedule_id),
            state=job.state,
            hindered=hindered.get(job.pk, ""),
        )
        for job in jobs
    )


def _first_of_each_kind(scope: Scope) -> Iterator[Job]:
    jobs = Job.objects.using(scope.using)
    if scope.selection.queue is not None:
        jobs = jobs.filter(queue=scope.selection.queue)
    if scope.selection.within is not None:
        jobs = jobs.filter(run_at__lte=scope.now + scope.selection.within)
    for kind, order in KINDS:
        yield from jobs.filter(kind).order_by(*order)[:MOST_JOBS]
