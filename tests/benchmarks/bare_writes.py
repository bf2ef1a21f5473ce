"""What the machine allows to jobs that write a row: as many threads as there are slots, and no queue.

Or its last statement alone: the jobs are claimed beforehand, and each is recorded in the transaction of its row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

from django.db import connection, transaction

from tests.app.models import Effect
from tests.benchmarks.measure import Figures
from worker import queue
from worker.models import WorkerProcess
from worker.outcomes import Succeeded
from worker.sessions.connection import private_connection
from worker.values import ClaimedJob, Ended

Run = Callable[[ClaimedJob], object]


def plain(job: ClaimedJob) -> None:
    Effect.objects.create(key=str(job.id))


def atomic(job: ClaimedJob) -> None:
    with transaction.atomic():
        plain(job)


def recorded(job: ClaimedJob) -> None:
    """Exactly once, as a worker does it."""
    started_at, using = datetime.now(UTC), connection.alias
    with transaction.atomic(durable=True):
        mark = queue.mark(using)
        plain(job)
        queue.require_mark(using, mark)
        assert queue.ack_marked(using, Ended(job, Succeeded(), started_at, datetime.now(UTC)), "bare", mark)


def claimed() -> list[ClaimedJob]:
    """All that is ready."""
    now = datetime.now(UTC)
    worker = WorkerProcess.objects.create(name="bare", slots=1, started_at=now, heartbeat_at=now)
    with private_connection(connection.alias, "bare") as using:
        jobs = [job for some in iter(lambda: queue.claim(using, worker.pk, 500), []) for job in some]
    worker.delete()
    return jobs


def drain(run: Run, jobs: Sequence[ClaimedJob], threads: int) -> Figures:
    """Run these. The time counts from the first to the last."""
    ready = Barrier(threads)

    def work(own: Sequence[ClaimedJob]) -> tuple[float, float]:
        connection.ensure_connection()
        ready.wait()
        began = time.perf_counter()
        for job in own:
            run(job)
        ended = time.perf_counter()
        connection.close()
        return began, ended

    with ThreadPoolExecutor(threads) as pool:
        times = list(pool.map(work, [jobs[number::threads] for number in range(threads)]))
    assert Effect.objects.count() == len(jobs)
    return {"jobs/s": len(jobs) / (max(ended for _, ended in times) - min(began for began, _ in times))}
