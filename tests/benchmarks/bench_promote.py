"""A hundred thousand delayed jobs that are due at one instant: how fast they become ready, and when the first do.

Beside it, what a single UPDATE of all of them takes, in which none starts before the last. A process that leads and
works tells how long after that instant the first is started.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Min

from tests.app.tasks import nothing
from tests.benchmarks.measure import Contender, Figures, side_by_side
from tests.processes import Process, eventually
from worker import queue
from worker.arguments import encode
from worker.chores import Chores
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobState
from worker.sessions.connection import private_connection
from worker.values import NewJob

JOBS = 100_000
SOON = timedelta(seconds=15)
"""Until then all is set up, and the process leads."""


def main(runs: int) -> None:
    contenders = [Contender("Carillon", ours), Contender("one UPDATE", bare)]
    side_by_side(f"{JOBS:,} delayed jobs due at once", contenders, runs)
    side_by_side("The same, with a leader and a worker", [Contender("Carillon", first_start)], runs)


def ours() -> Figures:
    now = fill()
    with private_connection(DEFAULT_DB_ALIAS, "leader") as using:
        chores = Chores()
        turns = [0.0, *_seconds_until_done(chores, using, now)]
    assert Job.objects.filter(state=JobState.READY).count() == JOBS
    longest = max(later - earlier for earlier, later in pairwise(turns))
    return {"jobs/s": JOBS / turns[-1], "ms, the longest turn": 1e3 * longest}


def bare() -> Figures:
    now = fill()
    begun = time.perf_counter()
    promoted = Job.objects.filter(state=JobState.SCHEDULED, run_at__lte=now).update(state=JobState.READY)
    took = time.perf_counter() - begun
    assert promoted == JOBS
    return {"jobs/s": JOBS / took, "ms, the longest turn": 1e3 * took}


def first_start() -> Figures:
    fill()
    due = database_now(DEFAULT_DB_ALIAS) + SOON
    Job.objects.update(run_at=due)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM worker_job")
    FinishedJob.objects.all().delete()
    with TemporaryDirectory() as folder:
        process = Process(("process_tasks", "--leader"), Path(folder) / "output", {})
        try:
            eventually(FinishedJob.objects.exists, within=60)
        finally:
            process.send(SIGTERM)
            process.wait(within=60)
    started = FinishedJob.objects.aggregate(first=Min("started_at"))["first"]
    return {"ms until the first starts": 1e3 * (started - due).total_seconds()}


def fill() -> datetime:
    """Returns the instant at which all are due."""
    Job.objects.all().delete()
    due = database_now(DEFAULT_DB_ALIAS) - timedelta(seconds=1)
    jobs = (
        NewJob(nothing.task.name, encode([n], {}), "default", 0, 5, JobState.SCHEDULED, run_at=due) for n in range(JOBS)
    )
    queue.enqueue_many(list(jobs), DEFAULT_DB_ALIAS)
    return due


def _seconds_until_done(chores: Chores, using: str, now: datetime) -> Iterator[float]:
    begun = time.perf_counter()
    while chores.do(using, now) is not None:
        yield time.perf_counter() - begun
    yield time.perf_counter() - begun
