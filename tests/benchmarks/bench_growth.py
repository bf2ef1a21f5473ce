"""What is asked all the time, beside ever more of what it does not want: schedules, delayed jobs, finished jobs.

A claim beside more ready jobs of a queue that nobody drains, too. What a tick costs beside them, `bench_tick` measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

from django.db import DEFAULT_DB_ALIAS, connection

from schedules.declarations import Background
from tests.app.tasks import nothing
from tests.benchmarks.bench_tick import fill
from tests.benchmarks.measure import Contender, Figures, side_by_side
from worker import queue, roster
from worker.clock import database_now
from worker.models import FinishedJob, Job
from worker.sessions.connection import private_connection

SIZES = (1_000, 10_000, 100_000)
TIMES = 30
BATCH = 50


def main(runs: int) -> None:
    filled = 0
    for size in SIZES:
        fill(filled, size)
        nothing.using(queue="nobody").enqueue_many([((n,), {}) for n in range(filled, size)])
        filled = size
        _analyze()
        side_by_side(
            f"Beside {size:,} schedules, delayed jobs, finished jobs, and ready ones of a queue that nobody drains",
            [Contender("Carillon", ours)],
            runs,
        )


def ours() -> Figures:
    now = database_now(DEFAULT_DB_ALIAS)
    with private_connection(DEFAULT_DB_ALIAS, "worker") as using:
        return {
            "ms, claim from one queue": _claims(using, ["default"]),
            "ms, claim from two": _claims(using, ["default", "mail"]),
            "ms, claim the most urgent": _claims(using, [], priority=5),
            "ms, promote nothing": _median(lambda: queue.promote(using, now)),
            "ms, next to promote": _median(lambda: queue.next_run_at(using)),
            "ms, rescue nothing": _median(lambda: queue.rescue(using, 1000)),
        }


def _claims(using: str, queues: Sequence[str], priority: int = 0) -> float:
    """Of jobs that are there; each is taken once, and is gone afterwards."""
    some = nothing.using(queue="default", priority=priority)
    return 1e3 * median(_claim(using, some, queues) for _ in range(TIMES))


def _claim(using: str, task: Background[..., None, Job], queues: Sequence[str]) -> float:
    task.enqueue_many([((n,), {}) for n in range(BATCH)])
    worker = roster.sign_in(using, "benchmark", 1, [])
    begun = time.perf_counter()
    jobs = queue.claim(using, worker, BATCH, queues)
    took = time.perf_counter() - begun
    roster.sign_off(using, worker)
    assert len(jobs) == BATCH
    Job.objects.filter(pk__in=[job.id for job in jobs]).delete()
    return took


def _median(ask: Callable[[], object]) -> float:
    def once() -> float:
        begun = time.perf_counter()
        ask()
        return time.perf_counter() - begun

    return 1e3 * median(once() for _ in range(TIMES))


def _analyze() -> None:
    with connection.cursor() as cursor:
        for model in (Job, FinishedJob):
            cursor.execute(f"{_ANALYZE[connection.vendor]} {model._meta.db_table}")


_ANALYZE = {"postgresql": "ANALYZE", "mysql": "ANALYZE TABLE", "sqlite": "ANALYZE"}
