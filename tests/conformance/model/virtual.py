"""A clock that moves only when it is told to, and drives the real tick on the real tables.

It is handed to ticks and to changes of schedules; how long a process waits, and what the database itself dates, it
leaves alone. Knows how to read what became of a schedule, and nothing of what is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from schedules import changes
from schedules.declarations import sync as syncing
from schedules.declarations.sync import Declarations
from schedules.models import Kind, Occurrence, Schedule, Source, identity_of
from schedules.occurrences.materialize import ANYONE, Authority
from schedules.scheduler import tick
from schedules.spec import Spec, spec_of
from schedules.testing import ManualClock
from tests.schedules.recurrence.moments import at, moment, span
from worker import queue, roster, tasks
from worker.chores import Chores
from worker.clock import Clock, database_now
from worker.models import Job
from worker.outcomes import Succeeded
from worker.tasks import Task
from worker.values import ClaimedJob, Ended

ALIAS = DEFAULT_DB_ALIAS


class VirtualClock(ManualClock):
    """It is 10:00 until somebody moves it."""

    def __init__(self) -> None:
        super().__init__(at("10:00"))
        self.chores = Chores()

    def to(self, text: str) -> datetime:
        self.set(at(text))
        return self.now()

    def tick(self, text: str | None = None, authority: Authority = ANYONE) -> datetime | None:
        """Tick now, or at that time. Gives when the next tick is due."""
        if text is not None:
            self.to(text)
        return tick(ALIAS, self.now(), self.chores, authority)

    def declared(self, name: str = "s", *, start: str | None = None, **given: Any) -> Schedule:
        """The schedule of that name, made or brought in line now."""
        return self.in_line(spec(name, start=start, **given))

    def in_line(self, wanted: Spec) -> Schedule:
        """The same, of this spec."""
        return _in_line(wanted, self.now())

    def declared_many(self, number: int, **given: Any) -> None:
        """So many schedules alike, "s0", "s1" …: one is declared, and the rows of the others are like its own."""
        row = again(self.declared("s0", **given))
        columns = {field.attname: getattr(row, field.attname) for field in Schedule._meta.concrete_fields}
        names = [f"s{n}" for n in range(1, number)]
        Schedule.objects.bulk_create(
            Schedule(**{**columns, "id": None, "name": name, "identity": identity_of(name)}) for name in names
        )


# What there is to schedule


def report(*args: Any, **kwargs: Any) -> None:
    """A task that leaves no trace; these tests look at jobs, and run none."""


REPORT = tasks.register(Task(report, "report"))


def spec(name: str = "s", *, task: str = REPORT.name, start: str | None = None, **given: Any) -> Spec:
    """As settings would declare it, or as a call would that says from when a repeat counts."""
    return spec_of(
        REPORT if task == REPORT.name else tasks.get(task),
        where="here",
        name=name,
        source=given.pop("source", Source.API),
        declared_in=given.pop("declared_in", ""),
        args=given.pop("args", ()),
        enabled=given.pop("enabled", True),
        renamed_from=given.pop("renamed_from", ()),
        schedule=None if start is None else at(start),
        options=given,
    )


def declared(name: str = "s", *, start: str | None = None, **given: Any) -> Schedule:
    """The schedule of that name, made or brought in line now, by the database's own clock."""
    return _in_line(spec(name, start=start, **given), database_now(ALIAS))


def _in_line(spec: Spec, now: datetime) -> Schedule:
    (row,) = changes.all_in_line([changes.Wanted(spec)], ALIAS, now)
    return row


def sync(using: str, clock: Clock, started_at: datetime, specs: Sequence[Spec], *rest: Any) -> None:
    """Bring the rows in line with these specs, all of which can be read."""
    list(syncing.sync(using, clock, started_at, Declarations([*specs]), *rest))


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


def finish(jobs: list[ClaimedJob], now: datetime) -> None:
    """All of them succeed."""
    queue.ack(ALIAS, [Ended(job, Succeeded(), now, now) for job in jobs])
