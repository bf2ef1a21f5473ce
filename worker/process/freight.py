"""The limit of the prefetch in bytes: long texts of a job are read only when there is room for them.

Before a claim the length of texts is not known: two hundred jobs of four megabytes may follow many tiny ones. So a
claim leaves out texts that are longer than the share of one job, and what it reads always fits. The database says how
long the others are. They are read here for as many jobs as fit, and at least for one per slot. The other jobs are given
back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

from django.db import connections
from django.db.models import BigIntegerField, Func, QuerySet

from worker.dialects import dialect_of
from worker.dialects.claim import TEXTS
from worker.dialects.portions import portions
from worker.models import Job
from worker.options import options
from worker.running.pool import Pool
from worker.values import ClaimedJob

MOST_BYTES = 16 * 2**20
"""Of long texts that are held, but for those of a job a slot. The short ones together have as much."""


class Freight:
    """Of the jobs in this pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._aboard: dict[tuple[int, int], int] = {}
        """By hold, the bytes of what is long."""

    @property
    def longest(self) -> int:
        """Bytes of the texts that one job may have to be claimed with them."""
        return MOST_BYTES // options().BATCH_SIZE

    def room(self, held: Sequence[ClaimedJob]) -> int:
        """How many more jobs to take if they are like those of the `held` ones that are long."""
        if not self._aboard:
            return options().BATCH_SIZE
        self._forget_all_but(held)
        weight = sum(self._aboard.values())
        others = (MOST_BYTES - weight) * len(self._aboard) // max(1, weight)
        return max(self.pool.slots - len(held), others)

    def load(self, using: str, jobs: Sequence[ClaimedJob]) -> tuple[list[ClaimedJob], list[ClaimedJob]]:
        """The jobs, with all their texts, as far as they fit, and the others, from the first that does not.

        A job that was taken from this worker meanwhile is in neither.
        """
        lacking = [job for job in jobs if job.lacks_texts]
        if not lacking:
            return [*jobs], []
        weights = _weights(using, lacking)
        fitting = self._fitting(jobs, weights)
        texts = _texts(using, [job for job in fitting if job.lacks_texts], max(weights.values(), default=0))
        whole = [texts.get(job.id, job) for job in fitting if job.id in texts or not job.lacks_texts]
        self._aboard |= {job.hold: weights[job.id] for job in texts.values()}
        return whole, [*jobs[len(fitting) :]]

    def _fitting(self, jobs: Sequence[ClaimedJob], weights: Mapping[int, int]) -> Sequence[ClaimedJob]:
        held = self.pool.held()
        self._forget_all_but(held)
        free, weight = self.pool.slots - len(held), sum(self._aboard.values())
        for place, job in enumerate(jobs):
            weight += weights.get(job.id, 0)
            if weight > MOST_BYTES and place >= free:
                return jobs[:place]
        return jobs

    def _forget_all_but(self, held: Sequence[ClaimedJob]) -> None:
        holds = {job.hold for job in held}
        self._aboard = {hold: weight for hold, weight in self._aboard.items() if hold in holds}


def _weights(using: str, jobs: Sequence[ClaimedJob]) -> dict[int, int]:
    """By id, the bytes of their texts."""
    size = dialect_of(connections[using]).words.size
    weight = reduce(add, (Func(name, function=size, output_field=BigIntegerField()) for name in TEXTS))
    return dict(_rows(using, jobs).values_list("pk", weight))


def _texts(using: str, jobs: Sequence[ClaimedJob], longest: int) -> dict[int, ClaimedJob]:
    """By id, those that are still held, with their texts. A few in one statement, since its answer is held as well."""
    found: dict[int, tuple[str, str]] = {}
    for some in portions(jobs, len(jobs), longest):
        rows = _rows(using, some).values_list("pk", "arguments", "errors")
        found |= {id: (arguments, errors) for id, arguments, errors in rows}
    whole = (job._replace(arguments=found[job.id][0], errors=found[job.id][1]) for job in jobs if job.id in found)
    return {job.id: job for job in whole}


def _rows(using: str, jobs: Sequence[ClaimedJob]) -> QuerySet[Job]:
    """Of jobs of one claim."""
    return Job.objects.using(using).filter(pk__in=[job.id for job in jobs], claim=jobs[0].claim)
