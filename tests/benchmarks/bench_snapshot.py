"""A claim while somebody's transaction stays open: the database keeps all that the transaction may still see.

Jobs flow at a steady rate, of three priorities and two queues, and are done at once; none are left over. What a claim
takes is compared between the first and the last tenth of a run. Beside it, claims that look everywhere each time.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from statistics import median
from threading import Thread
from typing import Any
from unittest.mock import patch

from django.db import DEFAULT_DB_ALIAS, connection, connections

from tests.app.tasks import nothing
from tests.benchmarks import flow
from tests.benchmarks.measure import Contender, Figures, side_by_side
from tests.processes import eventually
from worker import queue
from worker.models import FinishedJob, Job
from worker.process import marks
from worker.process.worker import Worker
from worker.values import ClaimedJob

DATABASES = {"postgresql", "mysql"}
_BEGIN = {
    "postgresql": ["BEGIN ISOLATION LEVEL REPEATABLE READ"],
    "mysql": ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT"],
}
SECONDS = 60


def main(runs: int) -> None:
    side_by_side(
        f"{flow.RATE:,} jobs/s for {SECONDS} s while a transaction stays open",
        [Contender("Carillon", run), Contender("each claim looks everywhere", partial(run, everywhere=True))],
        runs,
    )


def run(*, everywhere: bool = False) -> Figures:
    assert nothing.task.name, "the worker in this process knows the task"
    FinishedJob.objects.all().delete()
    with _claims(everywhere=everywhere) as took, _somebody_looks(), _worker():
        enqueuing = [sys.executable, "-m", "tests.benchmarks.flow", str(SECONDS)]
        subprocess.run(enqueuing, check=True)
        enqueued_at = time.perf_counter()
        eventually(lambda: not Job.objects.exists(), within=60)
        behind = time.perf_counter() - enqueued_at
    assert FinishedJob.objects.filter(state="succeeded", attempts=1).count() == flow.RATE * SECONDS
    tenth = len(took) // 10
    first, last = median(took[:tenth]), median(took[-tenth:])
    return {
        "claim p50 ms, first": 1e3 * first,
        "claim p50 ms, last": 1e3 * last,
        "last / first": last / first,
        "claim max ms": 1e3 * max(took),
        "s behind at the end": behind,
    }


@contextmanager
def _claims(*, everywhere: bool) -> Iterator[list[float]]:
    """How long each claim takes that finds something."""
    took: list[float] = []
    claim = queue.claim

    def timed(*args: Any, **kwargs: Any) -> list[ClaimedJob]:
        begun = time.perf_counter()
        jobs = claim(*args, **kwargs)
        if jobs:
            took.append(time.perf_counter() - begun)
        return jobs

    with patch.object(queue, "claim", timed), patch.object(marks, "SHARE", math.inf if everywhere else marks.SHARE):
        yield took


@contextmanager
def _somebody_looks() -> Iterator[None]:
    """A transaction that reads once and stays open, in a session that is none of ours: ours would be ended for it."""
    with closing(connections.create_connection(DEFAULT_DB_ALIAS)) as theirs, theirs.cursor() as cursor:
        for statement in [*_BEGIN[connection.vendor], "SELECT count(*) FROM worker_job"]:
            cursor.execute(statement)
        yield
        cursor.execute("ROLLBACK")


@contextmanager
def _worker() -> Iterator[None]:
    worker = Worker(DEFAULT_DB_ALIAS, threads=4, leader_sign=lambda using: time.monotonic())
    thread = Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()
