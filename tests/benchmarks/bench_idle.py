"""What doing nothing costs: a leader of a hundred thousand schedules of which none is due, and a worker without work.

The figures are what the system counts, of our processes and of their sessions at the server, if that runs on this
machine. It needs Linux's `/proc`.
"""

from __future__ import annotations

import copy
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection

from schedules import api
from schedules.models import Schedule, identity_of
from tests.app.tasks import leave_trace
from tests.benchmarks.measure import Contender, Figures, side_by_side
from tests.benchmarks.usage import cpu_seconds, sessions, threads
from tests.processes import Process, eventually

SCHEDULES = 100_000
SETTLED_AFTER = 3.0
WATCHED = 10.0
"""Seconds: two heartbeats."""

PROCESSES: dict[str, dict[str, Sequence[str]]] = {
    "one process": {"leader and worker": ("--leader",)},
    "two processes": {"leader": ("--leader-only",), "worker": ()},
    "leader and standby": {"leader": ("--leader-only",), "standby": ("--leader-only",)},
}


def main(runs: int) -> None:
    fill()
    contenders = [Contender(name, partial(idle, commands)) for name, commands in PROCESSES.items()]
    side_by_side(f"Idle, with {SCHEDULES:,} schedules", contenders, runs)


def fill() -> None:
    """Schedules of which none is due today."""
    first = api.schedule(leave_trace, name="0", args=["trace"], repeat=timedelta(days=2)).row
    Schedule.objects.bulk_create((_another(first, str(number)) for number in range(1, SCHEDULES)), batch_size=500)


def idle(commands: Mapping[str, Sequence[str]]) -> Figures:
    with TemporaryDirectory() as folder, ExitStack() as started:
        pids = {}
        for name, command in commands.items():
            process = Process(("process_tasks", *command), Path(folder) / name, {})
            started.callback(_end, process)
            eventually(lambda process=process: process.output, within=30)  # type: ignore[misc]
            pids[name] = process.pid
        time.sleep(SETTLED_AFTER)
        return _watch(pids)


def _another(schedule: Schedule, name: str) -> Schedule:
    row = copy.copy(schedule)
    row.pk, row.name, row.identity = None, name, identity_of(name)
    return row


def _end(process: Process) -> None:
    process.send(signal.SIGTERM)
    process.wait(within=10)


def _watch(pids: Mapping[str, int]) -> Figures:
    serving = sessions()
    questions = _transactions()
    at_first = {name: cpu_seconds(threads(pid)) for name, pid in pids.items()}
    by_sessions = cpu_seconds(serving)
    begun = time.monotonic()
    time.sleep(WATCHED)
    took = time.monotonic() - begun
    used = {name: cpu_seconds(threads(pid)) - at_first[name] for name, pid in pids.items()}
    figures = {f"{name}, % CPU": 100 * seconds / took for name, seconds in used.items()}
    if serving:
        figures["server, % CPU"] = 100 * (cpu_seconds(serving) - by_sessions) / took
    if connection.vendor == "postgresql":
        figures["transactions/s"] = (_transactions() - questions) / took
    return figures | {f"{name}, MiB": _resident(pid) for name, pid in pids.items()}


def _resident(pid: int) -> float:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _transactions() -> int:
    """Of all sessions of this database: an idle one asks one question a transaction."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
