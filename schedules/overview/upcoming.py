"""A schedule as a value: what it is, its status, and when it runs next. It reads no table.

`past_runs` finds how its last run ended, `problems` finds what needs attention, and callers decide how it looks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice

from schedules.changes import first_row
from schedules.describe import describe
from schedules.models import Schedule, Status
from schedules.occurrences.due_schedules import COUNTED_BY, UNREADABLE, require_instants
from schedules.occurrences.materialize import standing_of, why_broken
from schedules.overview.values import NextRun, PastRun, Pause, Upcoming
from schedules.planning import Run, decide, next_run, runs_after
from schedules.planning.due import day_span
from schedules.recurrence import Recurrence, note
from schedules.recurrence.instants import TICK
from schedules.spec import Spec
from worker import masking
from worker.options import options
from worker.values import Unfinished


def upcoming(
    row: Schedule, last_run: PastRun | None, now: datetime, runs: int, unfinished: Collection[Unfinished] = ()
) -> Upcoming:
    """The schedule with so many of its next `runs`. One that cannot be read is shown as broken.

    unfinished: its jobs, as `unfinished_jobs` finds them for what is overdue.
    """
    broken = row.broken
    description, next_runs, left_out = expression_of(row), tuple[NextRun, ...](), tuple[datetime, ...]()
    try:
        require_instants(row, *COUNTED_BY, "next_run_at", "paused_until")
        recurrence = row.recurrence
        description = describe(recurrence, options().time_zone)
        instants = islice(_next_runs(row, recurrence, now, unfinished), runs)
        next_runs = tuple(NextRun(at, note(recurrence, at)) for at in instants)
        left_out = tuple(_left_out(row, recurrence, now, next_runs))
    except UNREADABLE as error:
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
        left_out=left_out,
        overdue_since=row.next_run_at if row.next_run_at is not None and row.next_run_at <= now else None,
        last_run=last_run,
        pause=_pause_of(row),
        enabled=row.enabled,
        broken=masking.text(broken),
    )


def by_urgency(schedules: Iterable[Upcoming]) -> tuple[Upcoming, ...]:
    """By their next run; those that have none last, and of these what needs attention first."""
    return tuple(sorted(schedules, key=_urgency))


def row_of(spec: Spec, now: datetime) -> Schedule:
    """The row that sync would make of a declaration now."""
    row = first_row(spec, now)
    row.next_run_at = None if row.paused_at else next_run(row.recurrence, row.policies, row.settled_until, 0)
    return row


def expression_of(schedule: Schedule) -> str:
    """The recurrence as it was given."""
    return schedule.cron or schedule.repeat or (schedule.run_at.isoformat() if schedule.run_at else "")


def _next_runs(
    row: Schedule, recurrence: Recurrence, now: datetime, unfinished: Collection[Unfinished]
) -> Iterator[datetime]:
    """First what is overdue, as the next tick will decide on it; then what the recurrence says."""
    cursor = _counted_from(row)
    if cursor is None:
        return iter(())
    overdue = tuple[Run, ...]()
    if cursor < now and (row.next_run_at is None or row.next_run_at <= now):
        standing = replace(standing_of(row, unfinished), cursor=cursor)
        plan = decide(recurrence, row.policies, standing, now, seed=row.drawn_from, timezone=row.timezone)
        overdue, cursor = plan.runs, max(plan.cursor, now)
    later = runs_after(recurrence, row.policies, row.timezone, cursor, row.runs + len(overdue))
    return chain((run.scheduled_for for run in overdue), later)


def _left_out(row: Schedule, recurrence: Recurrence, now: datetime, runs: Sequence[NextRun]) -> Iterator[datetime]:
    cursor = _counted_from(row)
    if not row.exclude or cursor is None:
        return
    for day in row.policies.exclude:
        start, end = day_span(day, row.timezone)
        at = recurrence.after(max(start, cursor, now))
        if at is not None and at <= end and (not runs or at < runs[-1].at):
            yield at


def _counted_from(row: Schedule) -> datetime | None:
    """What comes after this instant will run; None: nothing will."""
    match row.status:
        case Status.ACTIVE:
            return row.settled_until
        case Status.PAUSED if row.paused_until is not None:
            return max(row.settled_until, row.paused_until - TICK)
    return None


def _pause_of(row: Schedule) -> Pause | None:
    if row.paused_at is None:
        return None
    return Pause(row.paused_at, row.paused_until, masking.text(row.pause_reason), row.paused_by)


def _urgency(schedule: Upcoming) -> tuple[bool, datetime | None, int, str]:
    at = schedule.next_run_at
    return at is None, at, _WITHOUT_NEXT_RUN.get(schedule.status, 0), schedule.name


_WITHOUT_NEXT_RUN = {"broken": 0, "paused": 1, "ended": 2, "retired": 3}
