"""Draining a queue of jobs that do nothing: by one worker process, by two, and by the least that the machine allows.

A rate counts from the first start to the last, as history tells them; CPU is what the system counts of our processes
once they have started, and of their sessions at the server, if that runs on this machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from subprocess import DEVNULL, Popen, run

from django.db import connection
from django.db.models import Max, Min

from tests.app.tasks import nothing
from tests.benchmarks.measure import Contender, Figures, side_by_side
from tests.benchmarks.usage import cpu_seconds, sessions, threads
from tests.databases import url_of_this_run
from tests.processes import eventually
from worker.models import FinishedJob, Job, WorkerProcess

JOBS = 20_000
WORKER = ("-m", "tests.manage", "process_tasks", "--threads", "4")


def main(runs: int) -> None:
    contenders = [
        Contender("Carillon", partial(carillon, 1)),
        Contender("Carillon, two processes", partial(carillon, 2)),
    ]
    if connection.vendor == "postgresql":
        contenders += [Contender(f"bare loop, batches of {size}", partial(bare, size)) for size in (100, 500)]
    side_by_side(f"{JOBS:,} jobs that do nothing, with history", contenders, runs)


def carillon(
    processes: int,
    *,
    verbosity: int = 0,
    stderr: int | None = None,
    environment: dict[str, str] | None = None,
    enqueue: Callable[[int], object] | None = None,
) -> Figures:
    """`stderr`: where the log goes. None: where ours goes. `enqueue`: so many jobs. None: those that do nothing."""
    command = [sys.executable, *WORKER, f"-v{verbosity}"]
    its_own = {**os.environ, **(environment or {})}
    workers = [Popen(command, stdout=DEVNULL, stderr=stderr, env=its_own) for _ in range(processes)]
    try:
        eventually(lambda: WorkerProcess.objects.count() == processes, within=30)
        running = [thread for worker in workers for thread in threads(worker.pid)]
        serving = sessions()
        before, at_server = cpu_seconds(running), cpu_seconds(serving)
        fill(enqueue or enqueue_plain)
        eventually(lambda: not Job.objects.exists(), within=120)
        figures = {"jobs/s": _rate(), "worker µs/job": 1e6 * (cpu_seconds(running) - before) / JOBS}
        if serving:
            figures["server µs/job"] = 1e6 * (cpu_seconds(serving) - at_server) / JOBS
    finally:
        for worker in workers:
            worker.terminate()
        ended = [worker.wait(timeout=15) for worker in workers]
    assert ended == [0] * processes
    return figures


def bare(batch: int) -> Figures:
    fill(enqueue_plain)
    run([sys.executable, "-m", "tests.benchmarks.bare_drain", url_of_this_run(), str(batch)], check=True)
    return {"jobs/s": _rate()}


def fill(enqueue: Callable[[int], object]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {FinishedJob._meta.db_table}")
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM worker_job, worker_finishedjob")
    enqueue(JOBS)


def enqueue_plain(jobs: int) -> None:
    nothing.enqueue_many([((number,), {}) for number in range(jobs)])


def _rate() -> float:
    """Of jobs that each ran once and succeeded."""
    done = FinishedJob.objects.filter(state="succeeded", attempts=1)
    assert done.values("arguments").distinct().count() == done.count() == FinishedJob.objects.count() == JOBS
    starts = done.aggregate(first=Min("started_at"), last=Max("started_at"))
    return JOBS / float((starts["last"] - starts["first"]).total_seconds())
