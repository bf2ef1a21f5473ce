"""The verbs on many jobs, a portion at a time, each in a transaction of its own, ascending by id.

So however many they are, little is read at a time, nothing stays locked for long, and what is done stays done when the
process dies in the middle. Whoever says the same again goes on. What is enqueued after the beginning is not meant:
otherwise jobs that fail at once would be retried for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from django.db.models import Count, Max, Q, QuerySet

from worker import queue
from worker.handles.filters import PORTION, Filters, Table
from worker.instants import rows_of
from worker.messages.expected import A_SHORT_TEXT, is_short_text, must_be
from worker.models import FinishedJob, FinishedState, Job, JobState


class Counts(NamedTuple):
    """To how many jobs a verb was done, and how many it left as they were."""

    done: int = 0
    skipped: int = 0
    asked: int = 0
    """Of a cancellation: they run, and were asked to stop."""


Counts.__module__ = "worker.api"


class Reached(NamedTuple):
    """What a verb has done to some jobs. It left the others as they were."""

    done: Mapping[int, int]
    """By the id of each job to which the verb was done, the id that the job has now."""
    asked: Collection[int] = ()
    """Those that were asked to stop."""


class Portion(NamedTuple):
    """What became of some jobs that match."""

    reached: Reached
    skipped: int

    def added_to(self, counts: Counts) -> Counts:
        done, asked = len(self.reached.done), len(self.reached.asked)
        return Counts(counts.done + done, counts.skipped + self.skipped, counts.asked + asked)


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that is done to jobs of a table."""

    table: Table
    applies: Q
    """To which jobs it can be done."""
    asks: Q
    """Which it can only ask to stop. The others are skipped."""
    do: Callable[[Sequence[int], str], Reached]
    """With ids, through a connection. It decides anew to which it can be done."""

    def rows(self, filters: Filters, using: str) -> list[QuerySet[Any]]:
        return filters.of(rows_of(self.table, using))

    def count(self, rows: Iterable[QuerySet[Any]]) -> Counts:
        """What would be done to these, and change nothing."""
        counts = Counts()
        for some in rows:
            kinds = {"done": Count("pk", filter=self.applies), "asked": Count("pk", filter=self.asks)}
            found = some.order_by().aggregate(all=Count("pk"), **kinds)
            skipped = found["all"] - found["done"] - found["asked"]
            counts = Counts(counts.done + found["done"], counts.skipped + skipped, counts.asked + found["asked"])
        return counts

    def portions(self, rows: Iterable[QuerySet[Any]], using: str) -> Iterator[Portion]:
        """Do it to these. Each step does a portion."""
        newest = max(rows_of(table, using).aggregate(newest=Max("pk"))["newest"] or 0 for table in (Job, FinishedJob))
        for some in rows:
            for ids in _by_id(some.filter(pk__lte=newest)):
                reached = self.do(ids, using)
                yield Portion(reached, len(ids) - len(reached.done) - len(reached.asked))


def cancelling(reason: str) -> Verb:
    """End jobs that nobody has started, and ask others to stop. Raises ValueError for a reason that is none."""
    if not is_short_text(reason):
        raise ValueError(must_be("reason", reason, A_SHORT_TEXT))
    return Verb(Job, Q(state__in=queue.UNSTARTED), Q(state=JobState.RUNNING), partial(_cancel, reason=reason))


def retrying() -> Verb:
    """Enqueue finished jobs again that nobody has retried."""
    return Verb(FinishedJob, Q(retried_at=None), Q(pk__in=()), _retry)


def by_default(filters: Filters) -> Filters:
    """What is meant to be retried where no state and no id is named: what failed."""
    if filters.ids is not None or filters.state is not None:
        return filters
    return filters.replaced(state=(FinishedState.FAILED.value,))


def _cancel(ids: Sequence[int], using: str, *, reason: str) -> Reached:
    reached = queue.cancel(ids, reason, using)
    return Reached({id: id for id in reached.cancelled}, reached.asked)


def _retry(ids: Sequence[int], using: str) -> Reached:
    return Reached(queue.retry_new(ids, using))


def _by_id(rows: QuerySet[Any]) -> Iterator[list[int]]:
    """The ids, so many at a time; by key, since a cursor on the server does not outlive a statement behind a pooler."""
    rows, some = rows.order_by("pk"), list[int]()
    while True:
        following = rows.filter(pk__gt=some[-1]) if some else rows
        some = list(following.values_list("pk", flat=True)[:PORTION])
        if some:
            yield some
        if len(some) < PORTION:
            return
