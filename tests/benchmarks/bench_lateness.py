"""How late a lone schedule fires: from its nominal instant to its job's row, both by the database's clock.

One schedule, due every second, and a leader process with nothing else to do, which therefore sleeps before each.
"""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from schedules import api
from tests.app.tasks import leave_trace
from tests.benchmarks.measure import Contender, Figures, percentiles, side_by_side
from tests.processes import Process, eventually
from worker.models import Job

FIRINGS = 40
AT_FIRST = 2
"""Firings that are not counted: the process has just begun its term."""


def main(runs: int) -> None:
    api.schedule(leave_trace, name="every second", args=["trace"], repeat=timedelta(seconds=1), overlap="allow")
    side_by_side(f"Lateness of a lone schedule, {FIRINGS} firings", [Contender("Carillon", ours)], runs)


def ours() -> Figures:
    Job.objects.all().delete()
    with TemporaryDirectory() as folder:
        leader = Process(("process_tasks", "--leader-only"), Path(folder) / "output", {})
        try:
            eventually(lambda: Job.objects.count() >= AT_FIRST + FIRINGS, within=30 + 2 * FIRINGS)
        finally:
            leader.send(signal.SIGTERM)
            leader.wait(within=10)
    return percentiles([late.total_seconds() for late in _latenesses()][AT_FIRST : AT_FIRST + FIRINGS])


def _latenesses() -> list[timedelta]:
    fired = list(Job.objects.order_by("scheduled_for").values_list("scheduled_for", "enqueued_at"))
    instants = [instant for instant, _ in fired if instant is not None]
    assert len(set(instants)) == len(fired), "an instant fired twice"
    assert instants[-1] - instants[0] == timedelta(seconds=len(fired) - 1), "an instant is missing"
    return [enqueued_at - instant for instant, enqueued_at in fired if instant is not None]
