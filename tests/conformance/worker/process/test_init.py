"""`process_tasks` as process 1 of a container: orphans are reaped, signals arrive, and each start is somebody else."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from schedules.models import Leadership
from tests.app.models import Effect
from tests.app.tasks import leave_orphan
from tests.processes import Process, StartProcess, eventually
from worker.models import FinishedJob, WorkerProcess

CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
"""Its own processes, counted from 1. All else is shared with the host, the name too."""
if os.geteuid() != 0:
    CONTAINER.insert(1, "--map-root-user")


def _has_containers() -> bool:
    try:
        return subprocess.run([*CONTAINER, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.skipif(not _has_containers(), reason="unshare --pid is not here, or not allowed"),
]


def children_of(pid: int) -> list[int]:
    """The dead among them too, as long as nobody has asked for them."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def first_in(container: Process, workers: int = 1) -> int:
    """What is process 1 there, as it is called here, once so many workers have signed in."""
    eventually(lambda: WorkerProcess.objects.count() == workers, within=30)
    (first,) = children_of(container.pid)
    return first


@pytest.mark.once
def test_orphans_of_tasks_are_reaped_and_exit_codes_stay_with_whom_they_are_for(process: StartProcess) -> None:
    container = process("process_tasks", under=CONTAINER)
    first = first_in(container)

    leave_orphan.enqueue_many([((str(number),), {}) for number in range(20)])

    eventually(lambda: FinishedJob.objects.count() == 20, within=30)
    assert {key.partition(": ")[2] for key in Effect.objects.values_list("key", flat=True)} == {"7"}
    eventually(lambda: len(children_of(first)) == 1)


@pytest.mark.once
@pytest.mark.parametrize("count", [1, 2])
def test_a_signal_to_process_1_ends_the_command_cleanly(process: StartProcess, count: int) -> None:
    container = process("process_tasks", "--processes", str(count), under=CONTAINER)

    os.kill(first_in(container, workers=count), signal.SIGTERM)

    assert container.wait(within=15) == 0, container.output
    assert not WorkerProcess.objects.exists()


@pytest.mark.once
def test_the_exit_code_is_that_of_the_command(process: StartProcess) -> None:
    assert process("process_tasks", "--queue", " ", under=CONTAINER).wait(within=30) == 1


@pytest.mark.once
def test_a_command_that_is_killed_ends_the_container_with_the_code_of_a_shell(process: StartProcess) -> None:
    container = process("process_tasks", under=CONTAINER)
    (command,) = children_of(first_in(container))

    os.kill(command, signal.SIGKILL)

    assert container.wait(within=15) == 128 + signal.SIGKILL


@pytest.mark.only_on("postgresql")
def test_two_of_one_host_name_and_one_number_are_two_candidates(process: StartProcess) -> None:
    """As containers with the network of their host are. No session tells them apart, since none keeps the lock."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "CARILLON_CHAOS_SCHEDULER": '{"LOCK": "transaction", "HEARTBEAT": 0.2}',
    }
    both = [process("process_tasks", "--leader", under=CONTAINER, environment=environment) for _ in range(2)]
    eventually(lambda: sum("stands by" in each.output for each in both) == 1, within=30)
    eventually(lambda: any("in sync" in each.output for each in both), within=30)
    for _ in range(5):
        sign = Leadership.objects.latest("pk").renewed_at
        eventually(Leadership.objects.filter(renewed_at__gt=sign).exists)

    assert len(set(WorkerProcess.objects.values_list("name", flat=True))) == 1
    assert WorkerProcess.objects.count() == 2
    assert Leadership.objects.count() == 1
