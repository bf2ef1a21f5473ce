"""The read model: how schedules stand, and when they run next. For the command line and the admin.

It reads and never writes, with the same few queries for any number of schedules. What is declared but not yet in
the database is shown as sync would make it. How runs ended is found in `past_runs`, what needs attention is decided
in `problems`, and how it looks by the callers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db import connections

from schedules.declarations.configured import in_settings
from schedules.declarations.sync import declared
from schedules.describe import describe
from schedules.leader import is_alive, newest_term
from schedules.models import Leadership, Schedule, Status, identity_of
from schedules.occurrences.materialize import why_broken
from schedules.overview import past_runs, problems
from schedules.overview.past_runs import Newest, PastRun
from schedules.overview.problems import Problem
from schedules.planning import next_run, runs_after
from schedules.recurrence import note
from schedules.recurrence.instants import TICK
from schedules.spec import Spec
from worker import masking, tasks
from worker.models import Job, JobState
from worker.options import options

MOST_JOBS = 20


@dataclass(frozen=True, slots=True)
class NextRun:
    """An instant at which something will run, and what a change of the clock has to do with it."""

    at: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    since: datetime
    until: datetime | None
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A schedule, and when it runs next."""

    id: int | None
    """None: it is declared, and not in the database yet."""
    name: str
    task: str
    arguments: str
    queue: str
    source: str
    declared_in: str
    expression: str
    """The recurrence as it was given."""
    timezone: str
    description: str
    status: str
    """As `Schedule.status_at`."""
    next_runs: tuple[NextRun, ...]
    """The nominal instants. One that is overdue comes first; excluded dates are left out."""
    last_run: PastRun | None
    pause: Pause | None
    broken: str

    @property
    def next_run_at(self) -> datetime | None:
        return self.next_runs[0].at if self.next_runs else None


@dataclass(frozen=True, slots=True)
class DelayedJob:
    """A job whose time has not come."""

    id: int
    task: str
    verbose_name: str
    queue: str
    priority: int
    run_at: datetime
    attempts: int
    schedule: str | None


@dataclass(frozen=True, slots=True)
class Lead:
    """The term of the leader that is alive."""

    name: str
    term: int
    lock: str
    started_at: datetime
    renewed_at: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    """How everything stands at one instant."""

    now: datetime
    leader: Lead | None
    schedules: tuple[Upcoming, ...]
    """By their next run; those that have none last."""
    jobs: tuple[DelayedJob, ...]
    problems: tuple[Problem, ...]


def overview(using: str, now: datetime, runs: int) -> Overview:
    """Everything, with the next so many `runs` of each schedule."""
    if not has_tables(using):
        found = [problems.not_migrated(using), *_misdeclared()]
        return Overview(now, None, _sorted(_unsynced((), now, runs)), (), tuple(found))
    rows = list(Schedule.objects.using(using))
    newest = past_runs.newest(using, now)
    last_term = newest_term(using)
    term = last_term if is_alive(last_term, now) else None
    unsynced = _unsynced(rows, now, runs)
    schedules = (*(_upcoming(row, newest, now, runs) for row in rows), *unsynced)
    known_tasks = {task.name for task in tasks.registered()}
    found = [
        *(problems.of_leadership(term, last_term, now) if any(map(_needs_leader, schedules)) else ()),
        *_misdeclared(),
        *problems.not_synced([each.name for each in unsynced]),
        *_of_schedules(rows, schedules, newest, known_tasks, now),
        *problems.of_queues(using, now),
        *problems.of_jobs(using, known_tasks),
    ]
    return Overview(now, _lead(term), _sorted(schedules), _delayed_jobs(using, rows), tuple(found))


def row_of(spec: Spec, now: datetime) -> Schedule:
    """The row that sync would make of a declaration now."""
    row = Schedule(**spec.columns(), anchor=now, settled_until=now)
    if not spec.enabled:
        row.paused_at = now
    row.next_run_at = None if row.paused_at else next_run(row.recurrence, row.policies, now, 0)
    return row


def expression_of(schedule: Schedule) -> str:
    """The recurrence as it was given."""
    return schedule.cron or schedule.repeat or (schedule.run_at.isoformat() if schedule.run_at else "")


def has_tables(using: str) -> bool:
    wanted = {Schedule._meta.db_table, Job._meta.db_table}
    return wanted <= set(connections[using].introspection.table_names())


# Schedules


def _upcoming(row: Schedule, newest: Newest | None, now: datetime, runs: int) -> Upcoming:
    broken = row.broken
    description, next_runs = expression_of(row), tuple[NextRun, ...]()
    try:
        description = describe(row.recurrence, options().time_zone)
        next_runs = tuple(islice(_next_runs(row, now), runs))
    except (ValueError, ArithmeticError) as error:
        broken = broken or why_broken(error)
    return Upcoming(
        id=row.pk,
        name=row.name,
        task=row.task,
        arguments=row.arguments,
        queue=row.queue,
        source=row.source,
        declared_in=row.declared_in,
        expression=expression_of(row),
        timezone=row.timezone,
        description=description,
        status=Status.BROKEN if broken and row.status in (Status.ACTIVE, Status.PAUSED) else row.status_at(now),
        next_runs=next_runs,
        last_run=None if newest is None else newest.run_of(row.pk, now),
        pause=_pause_of(row),
        broken=masking.text(broken),
    )


def _pause_of(row: Schedule) -> Pause | None:
    if row.paused_at is None:
        return None
    return Pause(row.paused_at, row.paused_until, row.pause_reason, row.paused_by)


def _next_runs(row: Schedule, now: datetime) -> Iterator[NextRun]:
    recurrence, policies, cursor, runs = row.recurrence, row.policies, row.settled_until, row.runs
    if row.retired_at or row.broken:
        return
    if row.paused_at is None:
        # Of several that are overdue, policies decide which run: the first stands for them.
        overdue = runs_after(recurrence, policies, row.timezone, cursor, runs)
        if (first := next(overdue, None)) is not None and first <= now:
            yield NextRun(first, note(recurrence, first))
            runs += 1
        cursor = max(cursor, now)
    elif row.paused_until is None:
        return
    else:
        cursor = max(cursor, row.paused_until - TICK)
    for instant in runs_after(recurrence, policies, row.timezone, cursor, runs):
        yield NextRun(instant, note(recurrence, instant))


def _unsynced(rows: Sequence[Schedule], now: datetime, runs: int) -> tuple[Upcoming, ...]:
    known = {row.identity for row in rows}
    new = (spec for spec in declared() if identity_of(spec.name) not in known)
    return tuple(_upcoming(row_of(spec, now), None, now, runs) for spec in new)


def _needs_leader(schedule: Upcoming) -> bool:
    return schedule.status not in ("ended", "retired")


def _sorted(schedules: Iterable[Upcoming]) -> tuple[Upcoming, ...]:
    return tuple(sorted(schedules, key=_urgency))


def _urgency(schedule: Upcoming) -> tuple[bool, datetime | None, int, str]:
    at = schedule.next_run_at
    return at is None, at, _WITHOUT_NEXT_RUN.get(schedule.status, 0), schedule.name


_WITHOUT_NEXT_RUN = {"broken": 0, "paused": 1, "ended": 2, "retired": 3}


# Jobs


def _delayed_jobs(using: str, rows: Sequence[Schedule]) -> tuple[DelayedJob, ...]:
    names = {row.pk: row.name for row in rows}
    delayed = Job.objects.using(using).filter(state=JobState.SCHEDULED).order_by("run_at")[:MOST_JOBS]
    return tuple(
        DelayedJob(
            id=job.pk,
            task=job.task,
            verbose_name=job.verbose_name,
            queue=job.queue,
            priority=job.priority,
            run_at=job.run_at,
            attempts=job.attempts,
            schedule=names.get(job.schedule_id) if job.schedule_id else None,
        )
        for job in delayed
    )


# Leader and problems


def _lead(term: Leadership | None) -> Lead | None:
    return None if term is None else Lead(term.leader, term.pk, term.lock, term.started_at, term.renewed_at)


def _misdeclared() -> Iterator[Problem]:
    return (Problem("misdeclared", problem) for problem in in_settings().problems)


def _of_schedules(
    rows: Sequence[Schedule],
    schedules: Sequence[Upcoming],
    newest: Newest,
    known_tasks: set[str],
    now: datetime,
) -> Iterator[Problem]:
    broken = {each.id: each.broken for each in schedules}
    for row in sorted(rows, key=lambda row: row.name):
        yield from problems.of_schedule(row, broken[row.pk], newest.finished.get(row.pk), known_tasks, now)
