"""A million old jobs to prune: how late a schedule fires that is due each second, and how old signs of life get.

One process leads and works, under default settings.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import DEFAULT_DB_ALIAS, connection

from schedules import api
from schedules.models import Leadership, Occurrence, Schedule
from tests.app.tasks import nothing
from tests.benchmarks.measure import Contender, Figures, percentiles, side_by_side
from tests.processes import Process, eventually
from worker.clock import database_now
from worker.dialects import dialect_of
from worker.dialects.portions import portions
from worker.models import FinishedJob, WorkerProcess

JOBS, AT_ONCE = 1_000_000, 20_000
LONG_AGO = timedelta(days=400)
INSTANTS = ("enqueued_at", "run_at", "started_at", "finished_at")
OTHERWISE = {
    "task": nothing.task.name,
    "arguments": "[[], {}]",
    "queue": "default",
    "priority": 0,
    "state": "succeeded",
    "attempts": 1,
    "max_attempts": 1,
    "interruptions": 0,
    **dict.fromkeys(("verbose_name", "creator", "errors", "reason", "worker"), ""),
}
AT_FIRST, FIRINGS = 2, 40
"""Firings that are not counted, for the process has just begun its term, and those that are waited for."""
LONGEST = 600
"""Seconds."""


def main(runs: int) -> None:
    contenders = [Contender(f"{jobs:,} old jobs to prune", partial(fire, jobs)) for jobs in (JOBS, 0)]
    side_by_side(f"A schedule each second, for {FIRINGS} firings or until nothing old is left", contenders, runs)


def fire(jobs: int) -> Figures:
    fill(jobs)
    Schedule.objects.all().delete()
    api.schedule(nothing, name="each second", repeat=timedelta(seconds=1), overlap="allow")
    begun = time.monotonic()
    with TemporaryDirectory() as folder:
        process = Process(("process_tasks", "--leader"), Path(folder) / "output", {})
        try:
            oldest = max(_ages())
            took = time.monotonic() - begun
        finally:
            process.send(signal.SIGTERM)
            process.wait(within=30)
        assert "no leader" not in process.output
    fired = Occurrence.objects.order_by("scheduled_for").values_list("scheduled_for", "recorded_at")
    late = [(recorded_at - instant).total_seconds() for instant, recorded_at in fired]
    return {**percentiles(late[AT_FIRST:]), "s, the oldest sign of life": oldest, "s until all are gone": took}


def fill(jobs: int) -> None:
    """One has finished each second, since long ago."""
    long_ago = database_now(DEFAULT_DB_ALIAS) - LONG_AGO
    columns = ("id", *INSTANTS, *OTHERWISE)
    for some in portions(range(1, jobs + 1), AT_ONCE):
        rows = [(-n, *[long_ago + timedelta(seconds=n)] * len(INSTANTS), *OTHERWISE.values()) for n in some]
        dialect_of(connection).many.add(connection, FinishedJob, columns, rows)


def _ages() -> Iterator[float]:
    """How old the signs of life of leader and worker are, again and again, until nothing old is left."""
    eventually(lambda: Leadership.objects.filter(ended_at=None).exists() and WorkerProcess.objects.exists(), within=60)
    deadline = time.monotonic() + LONGEST
    while Occurrence.objects.count() < AT_FIRST + FIRINGS or FinishedJob.objects.filter(pk__lt=0).exists():
        assert time.monotonic() < deadline
        now = database_now(DEFAULT_DB_ALIAS)
        leaders = Leadership.objects.filter(ended_at=None).values_list("renewed_at", flat=True)
        workers = WorkerProcess.objects.values_list("heartbeat_at", flat=True)
        yield from ((now - sign).total_seconds() for sign in [*leaders, *workers])
        time.sleep(0.1)
