"""The disk under an SQLite file takes nothing for a while: all say so, outlast it, and lose and double nothing."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import timedelta

import pytest

from schedules.models import Schedule
from tests.app.models import Effect
from tests.chaos.audit import assert_ledger_is_the_grid, audit
from tests.chaos.crew import SECONDS_TO_START, Crew, id_of, says, stop, wait_until_drained
from tests.chaos.faulty_disk import full_for, read_only
from tests.chaos.tasks import count, count_atomically, count_slowly
from tests.processes import Process, eventually
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job, WorkerProcess

pytestmark = [
    pytest.mark.only_on("sqlite"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the files of a process that runs"),
]

JOBS = 200
RESCUE_AFTER = 2.0


def test_processes_whose_disk_is_full_outlast_it_or_end_as_they_are_told(crew: Crew) -> None:
    leader, worker, doomed = processes = _start(crew)
    eventually(lambda: id_of(worker) and id_of(doomed), within=SECONDS_TO_START)
    labels = _call()
    eventually(lambda: FinishedJob.objects.count() >= JOBS / 10, within=SECONDS_TO_START)
    with full_for(processes):
        eventually(lambda: all(says(each, "disk I/O error")() for each in processes))
        left = set(Job.objects.filter(worker_id=id_of(doomed)).values_list("pk", flat=True))
        stop(doomed)
        eventually(_all_are_silent)

    _assert_the_others_go_on(leader, worker)
    audit(labels)
    assert set(FinishedJob.objects.filter(interruptions__gt=0).values_list("pk", flat=True)) <= left


def test_processes_that_may_not_write_wait_until_they_may_or_end_as_they_are_told(crew: Crew) -> None:
    labels = _call()
    with read_only():
        leader, worker, doomed = processes = _start(crew)
        refused = "attempt to write a readonly database"
        eventually(lambda: all(says(each, refused)() for each in processes), within=SECONDS_TO_START)
        stop(doomed)

    _assert_the_others_go_on(leader, worker)
    audit(labels)
    assert not FinishedJob.objects.filter(interruptions__gt=0).exists()


def _start(crew: Crew) -> list[Process]:
    """One that leads, one that works, and one that does both."""
    crew.scheduler = {"BACKOFF": 0.2, "HEARTBEAT": 0.5, "RESCUE_AFTER": RESCUE_AFTER, "GRACE": 1}
    crew.schedules = {
        "each second": {"task": "tests.chaos.tasks.count", "repeat": 1, "args": ["s"], "overlap": "allow"}
    }
    return [crew.leader("--leader-only"), crew.start("process_tasks"), crew.leader()]


def _call() -> list[str]:
    """Of each kind a third."""
    labels = [f"job {number}" for number in range(JOBS)]
    count_slowly.enqueue_many([((label, 0.1), {}) for label in labels[::3]])
    count.enqueue_many([((label,), {}) for label in labels[1::3]])
    count_atomically.enqueue_many([((label,), {}) for label in labels[2::3]])
    return labels


def _all_are_silent() -> bool:
    """For so long that they would count as dead, if the fault did not keep them from writing."""
    since = database_now("default") - timedelta(seconds=RESCUE_AFTER + 0.5)
    return not WorkerProcess.objects.filter(heartbeat_at__gte=since).exists()


def _assert_the_others_go_on(leader: Process, worker: Process) -> None:
    """And do all that is left, also what the ended one held."""
    over_at = database_now("default")
    eventually(Schedule.objects.filter(settled_until__gt=over_at).exists, within=SECONDS_TO_START)
    eventually(lambda: WorkerProcess.objects.count() == 1)
    stop(leader)
    wait_until_drained()
    stop(worker)
    assert leader.output.count("lost the lead") < leader.output.count("elected, term")
    assert not FinishedJob.objects.exclude(state=FinishedState.SUCCEEDED).exists()
    assert not Job.objects.exists()
    assert_ledger_is_the_grid(Schedule.objects.get())
    atomic = FinishedJob.objects.filter(task=count_atomically.task.name).values_list("pk", flat=True)
    effects = Effect.objects.filter(key__in=map(str, atomic)).values_list("key", flat=True)
    assert Counter(effects) == Counter(map(str, atomic))
