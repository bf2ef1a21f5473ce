"""How soon a process works: from the start of `manage.py process_tasks` to its first job, which waits already.

Beside it a command that does nothing: in the same project, and in one without our apps, which is Django's own start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.measure import Contender, Figures, side_by_side
from tests.benchmarks.tasks import leave_time
from tests.processes import ROOT, eventually
from worker.models import Job

DJANGO: Sequence[str] = ("nothing",)
COMMANDS: dict[str, tuple[Sequence[str], str]] = {
    "process_tasks": (("process_tasks",), "settings"),
    "process_tasks --leader": (("process_tasks", "--leader"), "settings"),
    "process_tasks, cron in SCHEDULES": (("process_tasks",), "settings_cron"),
    "process_tasks --leader, cron in SCHEDULES": (("process_tasks", "--leader"), "settings_cron"),
    "a command that does nothing": (DJANGO, "settings"),
}


def main(runs: int) -> None:
    contenders = [Contender(name, partial(_beside_django, *what)) for name, what in COMMANDS.items()]
    side_by_side("From the start of a process to what it is for", contenders, runs)


def _beside_django(command: Sequence[str], settings: str) -> Figures:
    """Django's own start is measured before and after, so that a noisy machine is noisy for both."""
    before = _started(DJANGO, "settings_plain")
    ours = _started(command, settings)
    django = median([before, _started(DJANGO, "settings_plain")])
    return {"ms": 1e3 * ours, "ms, Django alone": 1e3 * django, "ms over Django": 1e3 * (ours - django)}


def _started(command: Sequence[str], settings: str) -> float:
    """Seconds until it says that it is there."""
    Job.objects.all().delete()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "time"
        if command is not DJANGO:
            leave_time(str(file))
        began = time.monotonic()
        process = _begin([*command, *([str(file)] if command is DJANGO else [])], settings)
        try:
            return float(eventually(partial(_text_of, file), within=30)) - began
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _begin(command: Sequence[str], settings: str) -> subprocess.Popen[bytes]:
    environment: Mapping[str, str] = {**os.environ, "DJANGO_SETTINGS_MODULE": f"tests.benchmarks.{settings}"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.manage", *command], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )


def _text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""
