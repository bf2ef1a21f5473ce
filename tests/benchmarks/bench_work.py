"""Draining jobs that do what jobs do: write a row, in a transaction or not, wait for somebody, or reckon.

A rate counts from the first start to the last, as history tells them. What the worker spends on a job is counted by
the system, the job itself included; so of jobs that reckon, what is more than their 20 ms is the queue's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from subprocess import DEVNULL, Popen
from typing import Any

from django.db import connection
from django.db.models import Max, Min

from schedules.declarations import Background
from tests.app.models import Effect
from tests.app.tasks import leave_trace
from tests.benchmarks import bare_writes
from tests.benchmarks.measure import Contender, Figures, side_by_side
from tests.benchmarks.tasks import leave_trace_atomically, reckon_for, sleep_for
from tests.benchmarks.usage import cpu_seconds, threads
from tests.processes import eventually
from worker.models import FinishedJob, Job, WorkerProcess

WITHIN = 120.0
"""Seconds."""
LOOK_EVERY = 0.5
"""Seconds. What is measured here needs all processors: fifty looks a second would take it a fortieth of them."""


@dataclass(frozen=True)
class Work:
    title: str
    task: Background[Any, Any, Any]
    argument: Callable[[int], object]
    jobs: int
    slots: int
    processes: int = 1


WRITTEN = [
    Work("insert a row", leave_trace, str, jobs=2000, slots=10),
    Work("insert a row, atomic", leave_trace_atomically, str, jobs=2000, slots=10),
]
OTHERS = [
    Work("sleep 10 ms, 50 slots", sleep_for, lambda _: 0.01, jobs=5000, slots=50),
    Work("reckon 20 ms, two processes, one slot", reckon_for, lambda _: 0.02, jobs=400, slots=1, processes=2),
    Work("reckon 20 ms, two processes, four slots", reckon_for, lambda _: 0.02, jobs=400, slots=4, processes=2),
]


def main(runs: int) -> None:
    contenders = [Contender(each.title, partial(drain, each)) for each in WRITTEN]
    if connection.vendor == "postgresql":
        contenders += [
            Contender("bare threads: insert a row", partial(bare, bare_writes.plain)),
            Contender("bare threads: insert a row, atomic", partial(bare, bare_writes.atomic)),
            Contender("bare threads: insert a row and record the job, atomic", partial(bare, bare_writes.recorded)),
        ]
    side_by_side("Jobs that write", contenders, runs)
    for each in OTHERS:
        side_by_side(f"Jobs that {each.title}", [Contender("Carillon", partial(drain, each))], runs)


def drain(work: Work) -> Figures:
    clear()
    workers = [_worker(work.slots) for _ in range(work.processes)]
    try:
        eventually(lambda: WorkerProcess.objects.count() == work.processes, within=30)
        running = [worker.pid for worker in workers]
        before = _used(running)
        work.task.enqueue_many([((work.argument(number),), {}) for number in range(work.jobs)])
        eventually(lambda: not Job.objects.exists(), within=WITHIN, every=LOOK_EVERY)
        figures = {"jobs/s": _rate(work.jobs), "worker µs/job": 1e6 * (_used(running) - before) / work.jobs}
    finally:
        for worker in workers:
            worker.terminate()
        ended = [worker.wait(timeout=15) for worker in workers]
    assert ended == [0] * work.processes
    return figures


def bare(run: bare_writes.Run) -> Figures:
    clear()
    work = WRITTEN[-1]
    work.task.enqueue_many([((work.argument(number),), {}) for number in range(work.jobs)])
    return bare_writes.drain(run, bare_writes.claimed(), work.slots)


def clear() -> None:
    for model in (Effect, FinishedJob, Job):
        model._default_manager.all().delete()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM worker_job, worker_finishedjob, app_effect")


def _worker(slots: int) -> Popen[bytes]:
    command = ("-m", "tests.manage", "process_tasks", "-v0", "--threads", str(slots))
    return Popen([sys.executable, *command], stdout=DEVNULL)


def _used(pids: list[int]) -> float:
    return sum(cpu_seconds(threads(pid)) for pid in pids)


def _rate(jobs: int) -> float:
    """Of jobs that each ran once and succeeded."""
    done = FinishedJob.objects.filter(state="succeeded", attempts=1)
    assert done.count() == FinishedJob.objects.count() == jobs
    starts = done.aggregate(first=Min("started_at"), last=Max("started_at"))
    return (jobs - 1) / float((starts["last"] - starts["first"]).total_seconds())
