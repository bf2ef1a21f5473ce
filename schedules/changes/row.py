"""One schedule's row under its lock, and what every change of it is made of: explain, put, plan the next run, tell.

It knows how, not when: the verbs stand in the files beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from schedules import signals
from schedules.models import Schedule
from schedules.occurrences import ledger
from schedules.occurrences.due_schedules import COUNTED_BY, UNREADABLE, instants_again, require_instants
from schedules.occurrences.materialize import materialize, why_broken
from schedules.planning import Plan, Standing, Why, explain, next_run, stood_still
from schedules.planning.due import BEGINNING, Ledgered
from schedules.recurrence.zones import zone_version
from schedules.spec import InvalidSchedule
from worker import wakeup
from worker.instants import is_real

READ_AT_ONCE = 100


def one_by_one(rows: QuerySet[Schedule]) -> Iterator[Schedule]:
    """Rows to change one after the other, by their keys, whatever that does to those which are still to come."""
    for some in some_by_some(rows):
        yield from some


def some_by_some(rows: QuerySet[Schedule]) -> Iterator[list[Schedule]]:
    """The same, as many at a time as are read at once."""
    last = 0
    while some := list(rows.filter(pk__gt=last).order_by("pk")[:READ_AT_ONCE]):
        yield some
        if len(some) < READ_AT_ONCE:
            return
        last = some[-1].pk


@contextmanager
def locked(pk: int, using: str) -> Iterator[Schedule]:
    """The row as it is, locked until the transaction ends, its revision moved on. A write comes first, for SQLite."""
    Schedule.objects.using(using).filter(pk=pk).update(revision=F("revision") + 1)
    yield Schedule.objects.using(using).select_for_update().get(pk=pk)


@contextmanager
def in_force(pk: int, using: str) -> Iterator[Schedule]:
    """The same, for a verb that means nothing where nothing runs any more. Raises InvalidSchedule."""
    with locked(pk, using) as row:
        if row.retired_at is not None:
            raise InvalidSchedule(
                f"{row.name}: it is retired, since nothing declares it any more. Declare it again, detach it, or make "
                "another schedule of that name."
            )
        yield row


def materialize_due(row: Schedule, using: str, now: datetime) -> None:
    """What the row says is due runs, as the policy decides."""
    if row.next_run_at is not None and row.next_run_at <= now:
        materialize(using, now, [row])
        row.refresh_from_db(from_queryset=Schedule.objects.using(using))  # another cannot read whatever stands there


def explain_paused(row: Schedule, using: str, until: datetime, now: datetime) -> None:
    """Explain what a pause held back until then, or until the schedule was retired."""
    standing, until = Standing(row.settled_until, row.runs), min(until, row.retired_at or until)
    _write(row, explain(row.recurrence, row.policies, standing, until, Ledgered.PAUSED, _pause_of(row)), using, now)


def explain_past(row: Schedule, using: str, now: datetime, whys: Sequence[Why]) -> bool:
    """Explain what did not run before now, so that it never will. False: the row cannot be read, and is left as it is.

    Nobody knows since when, where its cursor is no instant.
    """
    since = row.settled_until if is_real(row.settled_until) else now
    try:
        plan = stood_still(row.recurrence, row.policies, Standing(since, row.runs), now, whys)
    except UNREADABLE:
        return False
    _write(row, plan, using, now)
    return True


def whys(row: Schedule) -> list[Why]:
    """Why nothing of it ran, the gravest first. What an active schedule did not run by now, its limits explain."""
    return list(_whys(row))


def _whys(row: Schedule) -> Iterator[Why]:
    if row.retired_at is not None:
        yield Why(row.retired_at, Ledgered.RETIRED, "its declaration was gone")
    if row.broken:
        yield Why(BEGINNING, Ledgered.BROKEN, row.broken)
    if row.paused_at is not None:
        yield Why(BEGINNING, Ledgered.PAUSED, _pause_of(row))


def _pause_of(row: Schedule) -> str:
    return f"paused: {row.pause_reason}" if row.pause_reason else "paused"


def _write(row: Schedule, plan: Plan, using: str, now: datetime) -> None:
    ledger.write([ledger.not_run(row.pk, what, term=None, now=now) for what in plan.not_run], using)
    put(row, using, settled_until=plan.cursor)


def plan_next(row: Schedule, using: str, now: datetime) -> None:
    """Compute the next run anew from the cursor."""
    next_run_at = None
    with broken_if_unreadable(row, using, now):
        if not (row.retired_at or row.broken):
            require_instants(row, *COUNTED_BY, "paused_until")
        if not (row.paused_at or row.retired_at or row.broken):
            next_run_at = next_run(row.recurrence, row.policies, row.settled_until, row.runs)
    put(row, using, next_run_at=next_run_at, zone_version=zone_version(), changed_at=now)


@contextmanager
def broken_if_unreadable(row: Schedule, using: str, now: datetime) -> Iterator[None]:
    """A row may hold what no declaration would: another edition of the zone data is enough. That stops only itself."""
    try:
        yield
    except UNREADABLE as error:
        reason = why_broken(error)
        put(row, using, broken=reason, **instants_again(row, now))
        transaction.on_commit(
            lambda: signals.schedule_broken.send_robust(None, name=row.name, reason=reason), using=using
        )


def put(row: Schedule, using: str, **columns: Any) -> None:
    Schedule.objects.using(using).filter(pk=row.pk).update(**columns)
    for name, value in columns.items():
        setattr(row, name, value)


def tell(row: Schedule, change: str, using: str) -> None:
    wakeup.announce({wakeup.LATER}, using)
    transaction.on_commit(lambda: signals.schedule_changed.send_robust(None, name=row.name, change=change), using=using)
