"""The operator's verbs: cancel jobs that have not started, and enqueue finished ones again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import blake2b

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Length

from worker.arguments import told_values
from worker.dialects import dialect_of
from worker.dialects.portions import MOST_CHARACTERS, portions
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
    """Enqueue finished jobs again, all or none, as new jobs that are linked to them. Returns the new ids.

    However much there is, a few are read at a time.
    """
    with transaction.atomic(using=using):
        return [id for some in _by_weight(sorted(finished), using) for id in _enqueue_again(some, using)]


def _by_weight(finished: Sequence[int], using: str) -> Iterator[list[int]]:
    """Those that are there, so many at a time that their arguments together fill one statement."""
    some, weight = list[int](), 0
    for id, length in _lengths(finished, using):
        if some and (weight + length > MOST_CHARACTERS or len(some) == BATCH):
            yield some
            some, weight = [], 0
        some.append(id)
        weight += length
    if some:
        yield some


def _lengths(finished: Sequence[int], using: str) -> Iterator[tuple[int, int]]:
    """By id, of the arguments."""
    for some in portions(finished, BATCH):
        rows = FinishedJob.objects.using(using).filter(pk__in=some).order_by("pk")
        yield from rows.values_list("pk", Length("arguments"))


def _enqueue_again(finished: Sequence[int], using: str) -> list[int]:
    rows = FinishedJob.objects.using(using).filter(pk__in=finished).order_by("pk").defer("errors", "result_text")
    return enqueue_many([_as_new(job) for job in rows], using)


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
        task_options=job.task_options,
    )


def _has_each(values: Sequence[str]) -> Q:
    """So that few are read: whatever a call is spelled like, it has these values, as they are written."""
    return Q(*(Q(arguments__contains=value) for value in values))


def _key_of(*what: str) -> int:
    digest = blake2b("\0".join(what).encode(errors="surrogatepass"), digest_size=8, person=b"carillon.call")
    return int.from_bytes(digest.digest(), signed=True)
