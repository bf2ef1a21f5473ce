"""One schedule's row under its lock, and what every change of it is made of: settle, put, plan the next run, tell.

It knows how, not when: the verbs are in `changes` and `backfill`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from schedules import signals
from schedules.models import Schedule
from schedules.occurrences import ledger
from schedules.occurrences.due_schedules import UNREADABLE
from schedules.occurrences.materialize import materialize, why_broken
from schedules.planning import Standing, next_run, settle
from schedules.planning.due import Ledgered
from schedules.recurrence.zones import zone_version
from worker import wakeup
from worker.clock import database_now


@contextmanager
def locked(pk: int, using: str) -> Iterator[Schedule]:
    """The row as it is, locked until the transaction ends, its revision moved on. A write comes first, for SQLite."""
    Schedule.objects.using(using).filter(pk=pk).update(revision=F("revision") + 1)
    yield Schedule.objects.using(using).select_for_update().get(pk=pk)


def settle_due(row: Schedule, using: str, now: datetime) -> None:
    if row.next_run_at is not None and row.next_run_at <= now:
        materialize(using, now, [row])
        row.refresh_from_db(using=using)


def settle_held_back(row: Schedule, using: str, now: datetime) -> None:
    """Explain what did not run under a recurrence that is about to be replaced, if it can be read."""
    if row.retired_at is None:
        with suppress(*UNREADABLE):
            if row.paused_at is not None:
                settle_paused(row, using, now)
            elif row.broken:
                _settle(row, using, now, Ledgered.BROKEN, row.broken)


def settle_paused(row: Schedule, using: str, now: datetime) -> None:
    reason = f"paused: {row.pause_reason}" if row.pause_reason else "paused"
    _settle(row, using, now, Ledgered.PAUSED, reason)


def _settle(row: Schedule, using: str, now: datetime, outcome: Ledgered, reason: str) -> None:
    plan = settle(row.recurrence, row.policies, Standing(row.settled_until, row.runs), now, outcome, reason)
    ledger.write([ledger.not_run(row.pk, what, term=None, now=now) for what in plan.not_run], using)
    put(row, using, settled_until=plan.cursor)


def plan_next(row: Schedule, using: str) -> None:
    """Compute the next run anew from the cursor."""
    next_run_at = None
    with set_aside_if_unreadable(row, using):
        if not (row.paused_at or row.retired_at or row.broken):
            next_run_at = next_run(row.recurrence, row.policies, row.settled_until, row.runs)
    put(row, using, next_run_at=next_run_at, zone_version=zone_version(), changed_at=database_now(using))


@contextmanager
def set_aside_if_unreadable(row: Schedule, using: str) -> Iterator[None]:
    """A row may hold what no declaration would: another edition of the zone data is enough. That stops only itself."""
    try:
        yield
    except UNREADABLE as error:
        reason = why_broken(error)
        put(row, using, broken=reason)
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
