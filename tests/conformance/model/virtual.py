"""A clock that moves only when it is told to, and drives the real tick on the real tables.

Decides what time it is for ticks and for changes of schedules; how long a process waits, and what the database
itself dates, it leaves alone. Knows how to read what became of a schedule, and nothing of what is right.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS

from schedules import changes
from schedules.changes import backfills, operate, pauses, repairs, row
from schedules.models import Kind, Occurrence, Schedule, Source, identity_of
from schedules.occurrences.materialize import ANYONE, Authority
from schedules.scheduler import tick
from schedules.spec import Spec, spec_of
from tests.schedules.recurrence.moments import at, moment, span
from worker import queue, roster, tasks
from worker.chores import Chores
from worker.models import Job
from worker.outcomes import Succeeded
from worker.tasks import Task
from worker.values import ClaimedJob, Ended

declare = import_module("schedules.changes.declare")

ALIAS = DEFAULT_DB_ALIAS


class VirtualClock:
    """It is 10:00 until somebody moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = at("10:00")
        self.chores = Chores()
        for module in (backfills, declare, operate, pauses, repairs, row):
            monkeypatch.setattr(module, "database_now", lambda using: self.now)

    def set(self, text: str) -> datetime:
        self.now = at(text)
        return self.now

    def advance(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    def tick(self, text: str | None = None, authority: Authority = ANYONE) -> datetime | None:
        """Tick now, or at that time. Gives when the next tick is due."""
        if text is not None:
            self.set(text)
        return tick(ALIAS, self.now, self.chores, authority)


# What there is to schedule


def report(*args: Any, **kwargs: Any) -> None:
    """A task that leaves no trace; these tests look at jobs, and run none."""


REPORT = tasks.register(Task(report, "report"))


def spec(name: str = "s", *, start: str | None = None, **given: Any) -> Spec:
    """As settings would declare it, or as a call would that says from when a repeat counts."""
    return spec_of(
        REPORT,
        where="here",
        name=name,
        source=given.pop("source", Source.API),
        declared_in=given.pop("declared_in", ""),
        args=given.pop("args", ()),
        enabled=given.pop("enabled", True),
        schedule=None if start is None else at(start),
        options=given,
    )


def declared(name: str = "s", *, start: str | None = None, **given: Any) -> Schedule:
    """The schedule of that name, made or brought in line."""
    return changes.declare(spec(name, start=start, **given), ALIAS)


def declared_many(number: int, **given: Any) -> None:
    """So many schedules alike, "s0", "s1" …: one is declared, and the rows of the others are like its own."""
    row = again(declared("s0", **given))
    columns = {field.attname: getattr(row, field.attname) for field in Schedule._meta.concrete_fields}
    names = [f"s{n}" for n in range(1, number)]
    Schedule.objects.bulk_create(
        Schedule(**{**columns, "id": None, "name": name, "identity": identity_of(name)}) for name in names
    )


def again(schedule: Schedule) -> Schedule:
    """The row as it is now."""
    return Schedule.objects.get(pk=schedule.pk)


# What became of it


def ledger_of(schedule: Schedule, kind: Kind = Kind.NOMINAL) -> list[str]:
    """Its lines in order of time, such as "10:01–10:04 (4) coalesced"."""
    lines = Occurrence.objects.filter(schedule=schedule.pk, kind=kind).order_by("scheduled_for")
    return [
        f"{span(line.scheduled_for, line.scheduled_until or line.scheduled_for, line.count)} {line.outcome}"
        for line in lines
    ]


def jobs_of(schedule: Schedule) -> list[str]:
    """Its live jobs in order of time, such as "10:05 ready"."""
    jobs = Job.objects.filter(schedule_id=schedule.pk).order_by("scheduled_for", "pk")
    return [f"{moment(job.scheduled_for)} {job.state}" for job in jobs if job.scheduled_for]


# What workers would do


def start_jobs() -> list[ClaimedJob]:
    """Claim all that is ready, by a worker that is alive."""
    return queue.claim(ALIAS, roster.sign_in(ALIAS, "virtual worker", 1, []), limit=1000)


def finish(jobs: list[ClaimedJob], clock: VirtualClock) -> None:
    """All of them succeed."""
    queue.ack(ALIAS, [Ended(job, Succeeded(), clock.now, clock.now) for job in jobs])
