"""Pausing and resuming: what a pause holds back is explained, and what was due before it runs.

A pause that has an end is over at that instant, whoever notices and when.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from schedules.changes.row import locked, plan_next, put, set_aside_if_unreadable, settle_due, settle_paused, tell
from schedules.models import Schedule
from schedules.occurrences.materialize import Authority
from schedules.recurrence.instants import TICK
from worker.clock import database_now


def pause(schedule: Schedule, using: str, *, reason: str, by: str = "", until: datetime | None = None) -> None:
    """Let nothing run until it is resumed, or until that instant. Pausing again changes the reason and the end."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        now = database_now(using)
        settle(row, using, now)
        since = row.paused_at or now
        put(row, using, paused_at=since, paused_until=until, paused_by=by[:255], pause_reason=reason[:255])
        plan_next(row, using)
    tell(row, "paused", using)


def resume(schedule: Schedule, using: str, *, catch_up: bool = False) -> None:
    """End a pause. What it held back is recorded as paused; with `catch_up` it is overdue, and the policy decides."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        if row.paused_at is None:
            return
        now = database_now(using)
        _end_pause_that_is_over(row, using, now)
        if row.paused_at is not None:
            _end_pause(row, using, now, catch_up=catch_up)
    tell(row, "resumed", using)


def end_pauses(using: str, now: datetime, authority: Authority) -> None:
    """Resume the schedules whose pause has come to its end; what came due since then runs."""
    for schedule in Schedule.objects.using(using).filter(paused_until__lte=now):
        with transaction.atomic(using=using):
            authority.prove()
            with locked(schedule.pk, using) as row:
                if not _end_pause_that_is_over(row, using, now):
                    continue
        tell(row, "resumed", using)


def settle(row: Schedule, using: str, now: datetime) -> None:
    """Let run what was due before the change, after a pause that is over too."""
    _end_pause_that_is_over(row, using, now)
    settle_due(row, using, now)


def _end_pause_that_is_over(row: Schedule, using: str, now: datetime) -> bool:
    """It ended when it was to, whoever notices and when."""
    if row.paused_until is None or row.paused_until > now:
        return False
    _end_pause(row, using, row.paused_until - TICK, catch_up=False)
    return True


def _end_pause(row: Schedule, using: str, now: datetime, *, catch_up: bool) -> None:
    if not catch_up:
        with set_aside_if_unreadable(row, using):
            settle_paused(row, using, now)
    put(row, using, paused_at=None, paused_until=None, paused_by="", pause_reason="")
    plan_next(row, using)
