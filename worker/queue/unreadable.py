"""Unreadable jobs: a job whose row has a value that is not an instant is ended, and delays no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db import transaction
from django.db.models import QuerySet

from worker.instants import LAST, unreadable_in
from worker.models import FinishedState, Job, JobState
from worker.queue.asked import let_go
from worker.queue.history import end, put_right


def end_unreadable(using: str, claim: int) -> None:
    """End as failed the jobs that are ready, or under that claim, and of which something cannot be read.

    All that is under the claim goes back: its answer could not be read.
    """
    let_go(Job.objects.using(using).filter(claim=claim), using)
    ready = Job.objects.using(using).filter(state=JobState.READY)
    for id, columns in unreadable_in(ready).items():
        _end_one(using, ready.filter(pk=id), id, columns)


def end_unreachable(using: str) -> Iterator[int]:
    """End the jobs whose time will never come, since no instant stands where it is told: one with each step.

    An index finds them. Others of which something cannot be read are found when they are claimed.
    """
    for state in (JobState.SCHEDULED, JobState.WAITING):
        never = Job.objects.using(using).filter(state=state, run_at__gte=LAST)
        for id, columns in unreadable_in(never).items():
            _end_one(using, never.filter(pk=id), id, columns)
            yield id


def _end_one(using: str, job: QuerySet[Job], id: int, columns: Sequence[str]) -> None:
    with transaction.atomic(using=using):
        if put_right(using, job, columns):
            end(using, [id], FinishedState.FAILED, _REASON.format(" and ".join(columns)))


_REASON = "The value of {} in its row cannot be read, so the job was not run."
