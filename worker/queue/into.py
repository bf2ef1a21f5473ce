"""Into the queue: add jobs in the caller's transaction, and announce them to workers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime

from django.db import connections, transaction

from worker import wakeup
from worker.dialects import dialect_of
from worker.dialects.portions import portions
from worker.models import JobState
from worker.values import NewJob


def enqueue(job: NewJob, using: str) -> tuple[int, datetime]:
    """Add a job in the caller's transaction. Returns its id, and when that was by the database's clock."""
    connection, topic = connections[using], _news(job)
    insertions = dialect_of(connection).insertions
    if wakeup.goes_with_the_work(topic, connection):
        added = insertions.insert_and_notify(connection, job, wakeup.channel(), topic)
        wakeup.went_with_the_work(topic, connection)
    else:
        added = insertions.insert_one(connection, job)
        wakeup.announce({topic}, using)
    return added


def enqueue_many(jobs: Sequence[NewJob], using: str) -> list[int]:
    """Add all the jobs or none, in the caller's transaction if there is one. Returns their ids in order."""
    connection = connections[using]
    insertions = dialect_of(connection).insertions
    longest = max((len(job.arguments) + len(job.task_options or "") for job in jobs), default=0)
    batches = list(portions(jobs, insertions.most_inserted, longest))
    with transaction.atomic(using=using) if len(batches) > 1 else nullcontext():
        ids = [id for batch in batches for id in insertions.insert(connection, batch)]
        wakeup.announce(set(map(_news, jobs)), using)
    return ids


def _news(job: NewJob) -> str:
    return wakeup.READY if job.state == JobState.READY else wakeup.LATER
