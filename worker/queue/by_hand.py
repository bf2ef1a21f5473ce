"""The operator's verbs: cancel jobs, and enqueue finished ones again.

A job that runs is not ended: it is asked to stop, and whoever records what became of it heeds that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Length

from worker.arguments import told_values
from worker.arguments.sealed import SEAL
from worker.clock import WhenWritten
from worker.dialects import dialect_of
from worker.dialects.portions import MOST_CHARACTERS, portions
from worker.models import FinishedJob, FinishedState, Job, JobState
from worker.options import options
from worker.queue.history import BATCH, end
from worker.queue.into import enqueue_many
from worker.values import NewJob

UNSTARTED = (JobState.SCHEDULED, JobState.WAITING, JobState.HELD, JobState.READY)


class Cancellation(NamedTuple):
    """What a cancellation has reached, by the ids of the jobs. The others have finished before, or never were."""

    cancelled: list[int]
    """They are over, and never ran, or will not run again."""
    asked: list[int]
    """They run, and were asked to stop."""

    def __bool__(self) -> bool:
        return bool(self.cancelled or self.asked)


def cancel(jobs: Collection[int], reason: str, using: str) -> Cancellation:
    """End jobs that nobody has started, and ask those that run to stop.

    One that was asked does not run again: unless it succeeds, it ends as cancelled with that reason, or with the one
    of whoever asked first.
    """
    jobs = set(jobs)
    with transaction.atomic(using=using):
        cancelled = end(using, jobs, FinishedState.CANCELLED, reason, asks_who_runs=True)
        left = jobs.difference(cancelled)
        return Cancellation(cancelled, [id for some in portions(sorted(left), BATCH) for id in _asked(some, using)])


def cancel_unstarted(jobs: Collection[int], reason: str, using: str) -> list[int]:
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
    dialect_of(connection).locks.hold(connection, _key_of(task, wanted))
    may_be_equal = _has_each(told_values(wanted)) | _IS_SEALED if options().CODEC else _has_each(told_values(wanted))
    alike = Job.objects.using(using).filter(may_be_equal, task=task, state__in=UNSTARTED)
    # MySQL's collations take "eu" for "EU".
    found = alike.values_list("pk", "task", "arguments")
    equal = [id for id, name, text in found if name == task and meaning(text) == wanted]
    return cancel_unstarted(equal, reason, using)


def cancel_lane(lane: str, reason: str, using: str) -> list[int]:
    """Cancel the unstarted jobs of a lane. Returns their ids."""
    unstarted = Job.objects.using(using).filter(lane=lane, state__in=UNSTARTED)
    return cancel_unstarted(unstarted.values_list("pk", flat=True), reason, using)


def retry(finished: Collection[int], using: str) -> list[int]:
    """Enqueue finished jobs again, all or none, as new jobs that are linked to them. Returns the new ids.

    However much there is, a few are read at a time.
    """
    with transaction.atomic(using=using):
        return list(_retry(finished, using).values())


def retry_new(finished: Collection[int], using: str) -> dict[int, int]:
    """The same for those of a portion that were never retried. Returns the new ids by the old ones.

    Whoever does it at the same time waits, and then finds what was retried here.
    """
    connection = connections[using]
    with transaction.atomic(using=using):
        dialect_of(connection).locks.hold(connection, _key_of("retry"))
        new = FinishedJob.objects.using(using).filter(pk__in=finished, retried_at=None).select_for_update()
        return _retry(list(new.values_list("pk", flat=True)), using)


def _retry(finished: Collection[int], using: str) -> dict[int, int]:
    return {old: new for some in _by_weight(sorted(finished), using) for old, new in _enqueue_again(some, using)}


def _asked(ids: Sequence[int], using: str) -> list[int]:
    asked = Job.objects.using(using).filter(pk__in=ids, cancel_reason__isnull=False)
    return sorted(asked.values_list("pk", flat=True))


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


def _enqueue_again(finished: Sequence[int], using: str) -> list[tuple[int, int]]:
    """The old ids with the new ones."""
    rows = FinishedJob.objects.using(using).filter(pk__in=finished).order_by("pk")
    jobs = list(rows.defer("errors", "result_text"))
    rows.order_by().update(retried_at=WhenWritten())
    return list(zip([job.pk for job in jobs], enqueue_many(list(map(_as_new, jobs)), using), strict=True))


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
        scheduled_for=job.scheduled_for,  # but of no schedule: it has no turn in its lane, and no line in its ledger
        retry_of=job.pk,
        task_options=job.task_options,
    )


def _has_each(values: Sequence[str]) -> Q:
    """So that few are read: whatever a call is spelled like, it has these values, as they are written."""
    return Q(*(Q(arguments__contains=value) for value in values))


def _key_of(*what: str) -> int:
    digest = blake2b("\0".join(what).encode(errors="surrogatepass"), digest_size=8, person=b"carillon.call")
    return int.from_bytes(digest.digest(), signed=True)


_IS_SEALED = Q(arguments__startswith=SEAL)
"""Of what a codec has made, no database can tell whether it is equal."""
