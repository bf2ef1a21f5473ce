"""When their time has come: delayed jobs, and those whose turn it is in their lane, become ready."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from functools import partial

from django.db import connections
from django.db.models import QuerySet

from worker import wakeup
from worker.dialects import dialect_of
from worker.models import Job, JobState
from worker.queue.turns import Round
from worker.refusals import Refused, by_halves

MOST_PROMOTED = 1000
"""In one transaction, so that workers begin with them while the others follow: in 6 to 20 ms."""


def promote(
    using: str,
    now: datetime,
    limit: int = MOST_PROMOTED,
    turns: Round | None = None,
    refused: Refused | None = None,
) -> int:
    """Make ready up to `limit` jobs that were to run by `now`, and those whose turn has come. Returns how many.

    `turns`: which lanes are to be looked at next. Without one, the first. `refused`: jobs that are passed over.
    """
    refused = {} if refused is None else refused
    connection = connections[using]
    promoted = dialect_of(connection).promotion.promote(connection, now=now, limit=limit, without=refused)
    _announce(promoted, using)
    return promoted + (turns or Round()).let_in(using, now, refused)


def promote_by_halves(using: str, now: datetime, limit: int, refused: Refused) -> Iterator[int]:
    """Make ready up to `limit` jobs that were to run by `now`, where the database does not take all of them at once.

    Each step gives how many that were. Those that it refuses alone are added to `refused`.
    """
    due = _delayed(using, refused).filter(run_at__lte=now)
    return by_halves(list(due.values_list("pk", flat=True)[:limit]), partial(_promote_these, using), using, refused)


def promote_again(using: str, ids: Sequence[int], refused: Refused) -> Iterator[int]:
    """The same with these jobs, which were refused before, whatever their time."""
    return by_halves(ids, partial(_promote_these, using), using, refused, most=len(ids) + 1)


def next_run_at(using: str, refused: Collection[int] = ()) -> datetime | None:
    """When the next job is to be promoted, but for these."""
    return _delayed(using, refused).values_list("run_at", flat=True).first()


def next_due(using: str) -> str:
    """SQL for the instant of the next promotion, for a statement that asks for more: now, while any job waits."""
    connection = connections[using]
    return dialect_of(connection).promotion.next_due(connection)


def _delayed(using: str, refused: Collection[int]) -> QuerySet[Job]:
    delayed = Job.objects.using(using).filter(state=JobState.SCHEDULED).order_by("run_at")
    return delayed.exclude(pk__in=list(refused)) if refused else delayed


def _promote_these(using: str, ids: Sequence[int]) -> int:
    due = Job.objects.using(using).filter(pk__in=ids, state=JobState.SCHEDULED)
    promoted = due.update(state=JobState.READY)
    _announce(promoted, using)
    return promoted


def _announce(promoted: int, using: str) -> None:
    if promoted:
        wakeup.announce({wakeup.READY}, using)
