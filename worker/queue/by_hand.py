"""The operator's verbs: jobs that nobody has started are cancelled, and finished ones are enqueued again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from worker.arguments import told_values
from worker.dialects import dialect_of
from worker.dialects.portions import portions
from worker.models import FinishedJob, FinishedState, Job, JobState
from worker.queue.history import BATCH, end
from worker.queue.into import enqueue_many
from worker.values import NewJob

UNSTARTED = (JobState.SCHEDULED, JobState.WAITING, JobState.HELD, JobState.READY)


def cancel(jobs: Collection[int], reason: str, using: str) -> list[int]:
    """End jobs that nobody has started. Returns the ids of those that were cancelled."""
    with transaction.atomic(using=using):
        return end(using, jobs, FinishedState.CANCELLED, reason)


def cancel_equal(
    task: str, arguments: str, reason: str, using: str, *, meaning: Callable[[str], str] = lambda text: text
) -> list[int]:
    """Cancel the unstarted jobs of that task with those arguments. Returns their ids.

    Until the caller's transaction ends, whoever else does it waits, and then finds what was enqueued in it.
    `meaning` has one text for all arguments that are equal.
    """
    connection, wanted = connections[using], meaning(arguments)
    dialect_of(connection).hold(connection, _key_of(task, wanted))
    alike = Job.objects.using(using).filter(_has_each(told_values(wanted)), task=task, state__in=UNSTARTED)
    # MySQL's collations take "eu" for "EU".
    found = alike.values_list("pk", "task", "arguments")
    return cancel([id for id, name, text in found if name == task and meaning(text) == wanted], reason, using)


def cancel_lane(lane: str, reason: str, using: str) -> list[int]:
    """Cancel the unstarted jobs of a lane. Returns their ids."""
    unstarted = Job.objects.using(using).filter(lane=lane, state__in=UNSTARTED)
    return cancel(unstarted.values_list("pk", flat=True), reason, using)


def retry(finished: Collection[int], using: str) -> list[int]:
    """Enqueue finished jobs again, as new jobs that are linked to them. Returns the new ids."""
    found = (FinishedJob.objects.using(using).filter(pk__in=some) for some in portions(sorted(finished), BATCH))
    return enqueue_many([_as_new(job) for some in found for job in some.order_by("pk")], using)


def unretried(finished: QuerySet[FinishedJob]) -> QuerySet[FinishedJob]:
    """Those of which no retry has finished. What came of one that has, is told of that one."""
    return finished.filter(~Exists(FinishedJob.objects.filter(retry_of=OuterRef("pk"))))


def _as_new(job: FinishedJob) -> NewJob:
    return NewJob(
        task=job.task,
        arguments=job.arguments,
        queue=job.queue,
        priority=job.priority,
        max_attempts=job.max_attempts,
        verbose_name=job.verbose_name,
        creator=job.creator,
        retry_of=job.pk,
    )


def _has_each(values: Sequence[str]) -> Q:
    """So that few are read: whatever a call is spelled like, it has these values, as they are written."""
    return Q(*(Q(arguments__contains=value) for value in values))


def _key_of(*what: str) -> int:
    digest = blake2b("\0".join(what).encode(errors="surrogatepass"), digest_size=8, person=b"carillon.call")
    return int.from_bytes(digest.digest(), signed=True)
