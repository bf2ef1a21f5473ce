"""The log of `process_tasks` as it is by default: each job has its line, and none is lost however the process ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.app.models import Effect
from tests.app.tasks import await_trace, call_exit, nothing
from tests.processes import ROOT, Process, StartProcess, eventually
from worker.models import FinishedJob, Job, WorkerProcess

pytestmark = pytest.mark.usefixtures("database")

JOBS = 300
LINE = re.compile(r"\d\d:\d\d:\d\d (worker|job) +\S.*")


def enqueue() -> None:
    nothing.enqueue_many([((number,), {}) for number in range(JOBS)])


def ended(process: Process) -> list[int]:
    """The jobs whose success the log tells, in its order."""
    return [int(id) for id in re.findall(r" #(\d+) succeeded in ", process.output)]


def in_history() -> list[int]:
    return list(
        FinishedJob.objects.filter(state="succeeded").order_by("finished_at", "pk").values_list("pk", flat=True)
    )


def test_each_job_has_its_line_and_no_other_in_the_order_of_their_ends(process: StartProcess) -> None:
    enqueue()
    worker = process("process_tasks", "--skip-checks", "--until-idle", "--threads", "1")

    assert worker.wait(within=60) == 0
    assert len(in_history()) == JOBS
    assert ended(worker) == in_history()
    assert worker.output.count(" job ") == JOBS
    assert all(map(LINE.fullmatch, worker.output.splitlines()))


def test_a_job_that_leaves_python_has_its_line_and_so_have_those_around_it(process: StartProcess) -> None:
    nothing(1)
    failed = call_exit(3)
    nothing(2)
    worker = process("process_tasks", "--skip-checks", "--until-idle", "--threads", "1")

    assert worker.wait(within=60) == 0
    assert ended(worker) == in_history()
    assert f" #{failed.pk} failed in " in worker.output
    assert "\n    SystemExit: 3" in worker.output


@pytest.mark.parametrize("signals", [1, 2], ids=["one signal", "two signals"])
def test_no_line_is_lost_when_the_process_is_stopped(process: StartProcess, signals: int) -> None:
    """However far it has come."""
    enqueue()
    await_trace("held")
    worker = process("process_tasks", "--skip-checks", "--threads", "2")
    eventually(lambda: FinishedJob.objects.exists() and Effect.objects.exists(), within=30)

    worker.send(signal.SIGTERM)
    if signals == 1:
        Effect.objects.create(key="go on")
    else:
        eventually(lambda: "stopping: waiting" in worker.output)
        worker.send(signal.SIGTERM)

    assert worker.wait(within=30) == 0
    assert sorted(ended(worker)) == sorted(in_history())
    assert worker.output.splitlines()[-1].rpartition(" stopped")[1]


def test_no_line_is_lost_when_the_time_is_up(process: StartProcess) -> None:
    enqueue()
    worker = process("process_tasks", "--skip-checks", "--duration", "1")

    assert worker.wait(within=60) == 0
    assert sorted(ended(worker)) == sorted(in_history())


@pytest.mark.once
def test_that_a_job_has_started_is_said_while_it_runs_for_long(process: StartProcess) -> None:
    job = await_trace("held")
    worker = process("process_tasks", "--skip-checks")

    eventually(lambda: re.search(rf" job +\S+ #{job.pk} started .*, and still runs\n", worker.output), within=30)
    assert Job.objects.get(pk=job.pk).state == "running"
    Effect.objects.create(key="go on")
    eventually(lambda: f" #{job.pk} succeeded in " in worker.output)


@pytest.mark.once
def test_each_start_is_said_where_somebody_asks_for_more(process: StartProcess) -> None:
    job = nothing(1)
    worker = process("process_tasks", "--skip-checks", "--until-idle", "-v", "2")

    assert worker.wait(within=60) == 0
    told = re.findall(rf"#{job.pk} (started|succeeded)", worker.output)
    assert told == ["started", "succeeded"]


@pytest.mark.once
def test_several_processes_never_write_into_each_others_lines(process: StartProcess) -> None:
    nothing.enqueue_many([((number,), {}) for number in range(10 * JOBS)])
    workers = process("process_tasks", "--skip-checks", "--processes", "2")

    eventually(lambda: not Job.objects.exists(), within=60)
    eventually(lambda: WorkerProcess.objects.count() == 2)
    workers.send(signal.SIGTERM)
    assert workers.wait(within=30) == 0
    assert sorted(ended(workers)) == sorted(in_history())
    assert all(map(LINE.fullmatch, workers.output.splitlines()))


@pytest.mark.once
def test_a_log_that_nobody_reads_holds_up_neither_the_jobs_nor_the_end() -> None:
    """The pipe is full, and stays so: as at a terminal that somebody has stopped."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    while True:
        try:
            os.write(writes, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writes, True)
    enqueue()
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.manage", "process_tasks", "--skip-checks"],
        cwd=ROOT,
        stderr=writes,
        stdin=subprocess.DEVNULL,
    )
    os.close(writes)
    try:
        eventually(lambda: len(in_history()) == JOBS, within=30)
        worker.terminate()
        assert worker.wait(timeout=30) == 0
    finally:
        worker.kill()
        worker.wait()
        os.close(reads)
