"""Several worker processes under one: replaced when they die, ended with it however it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.databases import PREFIX, VARIABLE
from tests.processes import Process, StartProcess, eventually
from worker.models import WorkerProcess

pytestmark = pytest.mark.usefixtures("database")

DEADLY = """
import sys
from pathlib import Path
from tests.settings import *
with Path("{began}").open("a") as began:
    began.write("x ")
if len(Path("{began}").read_text().split()) > 1:
    sys.exit(3)
"""


def supervised(process: StartProcess, count: int) -> tuple[Process, set[int]]:
    """A supervisor, and the process ids of its workers when all have signed in."""
    supervisor = process("process_tasks", "--processes", str(count))
    return supervisor, eventually(lambda: len(pids := workers()) == count and pids, within=30) or set()


def workers() -> set[int]:
    return {int(name.rpartition(":")[2]) for name in WorkerProcess.objects.values_list("name", flat=True)}


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_worker_that_dies_is_replaced_and_all_end_when_their_supervisor_is_told_to(process: StartProcess) -> None:
    supervisor, first = supervised(process, 2)

    os.kill(min(first), signal.SIGKILL)
    eventually(lambda: workers() - first, within=30)
    supervisor.send(signal.SIGTERM)

    assert supervisor.wait(within=15) == 0
    assert workers() == {min(first)}  # of the others each has signed off


@pytest.mark.once
def test_what_dies_at_once_is_replaced_at_growing_pauses_and_a_few_lines_say_so(
    process: StartProcess, tmp_path: Path
) -> None:
    """Settings that only the first process gets through, which supervises the others. `Restarts` has how they grow."""
    began = tmp_path / "began"
    (tmp_path / "deadly_settings.py").write_text(DEADLY.format(began=str(began)))
    environment = {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "deadly_settings"}

    supervisor = process("process_tasks", "--processes", "2", environment=environment)
    eventually(lambda: began.exists() and len(began.read_text().split()) >= 7, within=60)
    supervisor.send(signal.SIGTERM)

    assert supervisor.wait(within=15) in (3, 128 + signal.SIGTERM)
    assert 1 <= supervisor.output.count("(exit code 3). It starts again in ") <= 4


def test_workers_end_cleanly_when_their_supervisor_is_killed(process: StartProcess) -> None:
    supervisor, pids = supervised(process, 2)

    supervisor.send(signal.SIGKILL)

    eventually(lambda: all(map(is_gone, pids)))
    assert workers() == set()


def test_without_tables_it_says_so_and_starts_nothing(process: StartProcess, tmp_path: Path) -> None:
    empty = f"sqlite:///{tmp_path}/{PREFIX}_empty.sqlite3"

    supervisor = process("process_tasks", "--processes", "2", environment={VARIABLE: empty})

    assert supervisor.wait(within=30) == 1
    assert supervisor.output.count("manage.py migrate") == 1
