"""Tasks that leak, hoard and never end: they harm neither their worker, nor the others, nor the end of the process.

It is the process that is looked at here, which is the same on every database.
"""

from __future__ import annotations

import resource
import signal
import sys

import pytest

from tests.chaos.audit import audit
from tests.chaos.crew import SECONDS_TO_START, SECONDS_TO_STOP, Crew, id_of, mib_of, says, stop, wait_until_drained
from tests.chaos.tasks import count, leak, leave_behind, never_end, return_much
from tests.processes import Process, eventually
from worker.models import FinishedJob, FinishedState, Job, JobState

MIB = 2**20

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells and limits the memory of a process that runs"),
]


def test_a_task_that_takes_all_memory_fails_and_the_others_run_in_the_same_process(crew: Crew) -> None:
    worker = crew.worker()
    _limit_memory(worker, mib_of(worker, "VmSize") + 400)
    leak("leak")
    eventually(FinishedJob.objects.exists)
    labels = [f"beside {number}" for number in range(20)]
    count.enqueue_many([((label,), {}) for label in labels])
    wait_until_drained()
    stop(worker)

    audit(["leak", *labels])
    (failed,) = FinishedJob.objects.exclude(state=FinishedState.SUCCEEDED)
    assert failed.reason.startswith("MemoryError")
    assert worker.output.count(" started: ") == 1


def test_nothing_stays_in_memory_of_what_tasks_return(crew: Crew) -> None:
    worker = crew.worker("--threads", "2")
    before = mib_of(worker)
    labels = ["first", "second", "third"]
    for label in labels:
        return_much(label)
    wait_until_drained()

    eventually(lambda: mib_of(worker) < before + 50)
    stop(worker)
    audit(labels)


def test_a_process_ends_though_its_tasks_do_not_and_have_left_threads_in_it(crew: Crew) -> None:
    crew.scheduler = {"GRACE": 0.5}
    worker = crew.worker("--threads", "2")
    endless = never_end("endless")
    leave_behind("left")
    eventually(lambda: FinishedJob.objects.filter(state=FinishedState.SUCCEEDED).count() == 1, within=SECONDS_TO_START)
    count("beside")
    eventually(lambda: FinishedJob.objects.filter(state=FinishedState.SUCCEEDED).count() == 2)

    worker.send(signal.SIGTERM)

    assert worker.wait(within=SECONDS_TO_STOP) == 0, worker.output
    assert says(worker, "without waiting for what tasks have left running: left behind, left executor_0")()
    assert says(worker, "stopped, 1 jobs given back")()
    assert Job.objects.filter(pk=endless.pk, state=JobState.READY, attempts=0, interruptions=0).exists()
    assert id_of(worker) is None


def _limit_memory(process: Process, mib: float) -> None:
    resource.prlimit(process.pid, resource.RLIMIT_AS, (round(mib) * MIB, resource.RLIM_INFINITY))
