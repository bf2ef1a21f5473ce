"""A million old rows to prune: how late a schedule fires that is due each second, and how old signs of life get.

They are finished jobs, lines of the ledger, or terms. One process leads and works, under default settings.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection, models

from schedules import api
from schedules.models import Leadership, Occurrence, Schedule
from tests.app.tasks import nothing
from tests.benchmarks.measure import Contender, Figures, percentiles, side_by_side
from tests.processes import Process, eventually
from worker.clock import database_now
from worker.dialects import dialect_of
from worker.dialects.portions import portions
from worker.models import FinishedJob, WorkerProcess

ROWS, AT_ONCE = 1_000_000, 20_000
LONG_AGO = timedelta(days=400)
JOBS: dict[str, Any] = {
    "task": nothing.task.name,
    "arguments": "[[], {}]",
    "queue": "default",
    "priority": 0,
    "state": "succeeded",
    "attempts": 1,
    "max_attempts": 1,
    "interruptions": 0,
    **dict.fromkeys(("verbose_name", "creator", "errors", "reason", "worker"), ""),
}
LINES: dict[str, Any] = {"kind": "nominal", "count": 1, "outcome": "enqueued", "reason": ""}
TERMS: dict[str, Any] = {
    "leader": "web-1:7",
    "lock": "session",
    **dict.fromkeys(("project", "others", "trouble", "chores_refused"), ""),
}
AT_FIRST, FIRINGS = 2, 40
"""Firings that are not counted, for the process has just begun its term, and those that are waited for."""
LONGEST = 600
"""Seconds."""


def main(runs: int) -> None:
    contenders = [Contender(f"{ROWS:,} old {what} to prune", partial(fire, kind)) for what, kind in OLD.items()]
    contenders.append(Contender("nothing to prune", partial(fire, None)))
    side_by_side(f"A schedule each second, for {FIRINGS} firings or until nothing old is left", contenders, runs)


def fire(old: Old | None) -> Figures:
    Schedule.objects.all().delete()
    Leadership.objects.all().delete()
    if old is not None:
        fill(old)
    api.schedule(nothing, name="each second", repeat=timedelta(seconds=1), overlap="allow")
    begun = time.monotonic()
    with TemporaryDirectory() as folder:
        process = Process(("process_tasks", "--leader"), Path(folder) / "output", {})
        try:
            oldest = max(_ages(old))
            took = time.monotonic() - begun
        finally:
            process.send(signal.SIGTERM)
            process.wait(within=30)
        assert "no leader" not in process.output
    assert Leadership.objects.filter(pk__gt=0).count() == 1
    fired = Occurrence.objects.filter(pk__gt=0).order_by("scheduled_for").values_list("scheduled_for", "recorded_at")
    late = [(recorded_at - instant).total_seconds() for instant, recorded_at in fired]
    return {**percentiles(late[AT_FIRST:]), "s, the oldest sign of life": oldest, "s until all are gone": took}


def fill(old: Old) -> None:
    """One each second, since long ago."""
    long_ago = database_now(DEFAULT_DB_ALIAS) - LONG_AGO
    columns = ("id", *old.instants, *old.otherwise)
    otherwise = old.otherwise
    if old.model is Occurrence:
        api.schedule(nothing, name="long ago", repeat=timedelta(days=365))
        columns, otherwise = (*columns, "schedule_id"), {**otherwise, "schedule_id": Schedule.objects.get().pk}
    for some in portions(range(1, ROWS + 1), AT_ONCE):
        rows = [(-n, *[long_ago + timedelta(seconds=n)] * len(old.instants), *otherwise.values()) for n in some]
        dialect_of(connection).many.add(connection, old.model, columns, rows)


def _ages(old: Old | None) -> Iterator[float]:
    """How old the signs of life of leader and worker are, again and again, until nothing old is left."""
    leads = Leadership.objects.filter(pk__gt=0, ended_at=None)
    eventually(lambda: leads.exists() and WorkerProcess.objects.exists(), within=60)
    deadline = time.monotonic() + LONGEST
    while _fired() < AT_FIRST + FIRINGS or (old is not None and old.model._default_manager.filter(pk__lt=0).exists()):
        assert time.monotonic() < deadline
        now = database_now(DEFAULT_DB_ALIAS)
        leaders = leads.values_list("renewed_at", flat=True)
        workers = WorkerProcess.objects.values_list("heartbeat_at", flat=True)
        yield from ((now - sign).total_seconds() for sign in [*leaders, *workers])
        time.sleep(0.1)


def _fired() -> int:
    return Occurrence.objects.filter(pk__gt=0).count()


class Old(NamedTuple):
    """Rows of which a million are there."""

    model: type[models.Model]
    instants: tuple[str, ...]
    otherwise: dict[str, Any]
    """All other columns that are not empty."""


OLD = {
    "jobs": Old(FinishedJob, ("enqueued_at", "run_at", "started_at", "finished_at"), JOBS),
    "lines of the ledger": Old(Occurrence, ("scheduled_for", "recorded_at"), LINES),
    "terms": Old(Leadership, ("started_at", "renewed_at", "ended_at"), TERMS),
}
