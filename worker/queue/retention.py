"""How long finished jobs are kept: as their task says, else as the settings do, where failed ones may stay longer.

A job whose task says it goes when its own time is over (`keep_until`). Of the others, what is older than both ages of
the settings goes, the oldest first, and of what is between, failed jobs are passed over. So that nobody passes the same
ones each time, it is remembered how far that was. Once a day it is done from the beginning again: a job may be recorded
long after it has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from worker import erasure
from worker.erasure import MOST_KEPT, PORTION
from worker.instants import FIRST, LenientQuerySet
from worker.models import FinishedJob, FinishedState, JobReport
from worker.options import options
from worker.refusals import Refused, RowsRefused, by_halves, told

FROM_THE_BEGINNING = timedelta(days=1)

before_pruning: list[erasure.BeforeErasing] = []
"""Each is called with the ids of jobs that history is about to forget, and the alias of the connection."""


def prune(using: str, before: datetime) -> Iterator[int]:
    """Forget jobs that finished before that instant: a portion with each step, which gives how many that were."""
    return erasure.prune(FinishedJob, "finished_at", before, using, with_them=_WITH_THEM, first=before_pruning)


class Retention:
    """Of one process."""

    def __init__(self) -> None:
        self._past_kept = _Walk(forgets_failed=True)
        self._past_failed = _Walk(forgets_failed=False)

    def prune(self, using: str, now: datetime) -> Iterator[int]:
        """Forget finished jobs whose time is over: a portion with each step, which gives how many that were.

        Jobs that the database keeps hold up no other, and in the end the first that was said against them is raised.
        """
        refused: RowsRefused | None = None
        for stage in self._stages(using, now):
            try:
                yield from stage
            except RowsRefused as error:
                refused = refused or error
        if refused:
            raise refused

    def _stages(self, using: str, now: datetime) -> Iterator[Iterator[int]]:
        of_failed, of_others = now - options().keep_failed, now - options().KEEP_FINISHED
        yield erasure.prune(FinishedJob, "keep_until", now, using, with_them=_WITH_THEM, first=before_pruning)
        if FinishedJob.objects.using(using).filter(keep_until__gte=now).exists():
            yield self._past_kept.prune(using, FIRST, of_failed, now)
        else:
            yield prune(using, of_failed)
        if of_failed < of_others:
            yield self._past_failed.prune(using, of_failed, of_others, now)


class _Walk:
    """Through history, past jobs that stay: those of which their task says how long, and perhaps those that failed."""

    def __init__(self, *, forgets_failed: bool) -> None:
        self._forgets_failed = forgets_failed
        self._begun_at: datetime | None = None
        self._passed: tuple[datetime, int] | None = None
        """When the last job ended that was looked at, and its id."""

    def prune(self, using: str, after: datetime, before: datetime, now: datetime) -> Iterator[int]:
        """Forget the others that ended between these instants."""
        if self._begun_at is None or not timedelta(0) <= now - self._begun_at < FROM_THE_BEGINNING:
            self._begun_at, self._passed = now, None
        kept: Refused = {}
        erase = erasure.eraser(FinishedJob, using, with_them=_WITH_THEM, first=before_pruning)
        while found := self._next(using, after, before):
            over = [id for id, _, *job in found if not self._stays(*job) and id not in kept]
            yield from by_halves(over, erase, using, kept, MOST_KEPT) if over else [0]
            self._passed = found[-1][1], found[-1][0]
            if len(found) < PORTION or len(kept) > MOST_KEPT:
                break
        if kept:
            self._passed = None  # so that they are tried again
            raise told(FinishedJob.__name__, kept)

    def _stays(self, state: str, keep_until: datetime | None) -> bool:
        return keep_until is not None or (state == FinishedState.FAILED and not self._forgets_failed)

    def _next(self, using: str, after: datetime, before: datetime) -> list[tuple[Any, ...]]:
        """Of jobs that ended between these instants, the next ones that were not looked at."""
        begin, id = self._passed or (after, 0)
        beyond = Q(finished_at__gt=begin) | Q(finished_at=begin, pk__gt=id)
        between = Q(finished_at__gte=max(begin, after), finished_at__lt=before)
        ended: LenientQuerySet[Any] = LenientQuerySet(FinishedJob, using=using).filter(between, beyond)
        columns = ("pk", "finished_at", "state", "keep_until")
        return list(ended.order_by("finished_at", "pk").values_list(*columns)[:PORTION])


_WITH_THEM = (JobReport,)
"""Tables whose rows have the ids of such jobs."""
