"""Pause and resume: occurrences in a pause are explained in the ledger, and those due before it still run.

A pause that has an end is over at that instant, whenever a process notices.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction

from schedules.changes.row import (
    broken_if_unreadable,
    explain_paused,
    in_force,
    locked,
    materialize_due,
    plan_next,
    put,
    tell,
)
from schedules.models import Schedule
from schedules.occurrences.due_schedules import require_instants
from schedules.occurrences.jobs import lanes_of
from schedules.occurrences.materialize import Authority, one_of_many
from schedules.recurrence.instants import TICK
from worker import queue
from worker.instants import is_real

MOST_ENDED = 100
"""Pauses that are ended at once. For others that are over as well it is asked again."""
NOT_PAUSED = {
    "paused_at": None,
    "paused_until": None,
    "paused_by": "",
    "pause_reason": "",
    "paused_as_declared": False,
}


def pause(
    schedule: Schedule, using: str, now: datetime, *, reason: str, by: str = "", until: datetime | None = None
) -> None:
    """Hold what is to come and what waits until it is resumed, or until then. To pause again changes reason and end."""
    with transaction.atomic(using=using), in_force(schedule.pk, using) as row:
        let_due_run(row, using, now)
        put(
            row,
            paused_at=row.paused_at or now,
            paused_until=until,
            paused_by=by[:255],
            pause_reason=reason[:255],
            paused_as_declared=False,
        )
        hold_back(row, using, now)
    tell(row, "paused", using)


def resume(schedule: Schedule, using: str, now: datetime, *, catch_up: bool = False) -> None:
    """End a pause. What it held back is recorded as paused; with `catch_up` it is overdue, and the policy decides."""
    with transaction.atomic(using=using), in_force(schedule.pk, using) as row:
        if row.paused_at is None:
            return
        _end_pause_that_is_over(row, using, now)
        if row.paused_at is not None:
            end_pause(row, using, now, held_back_until=None if catch_up else now)
    tell(row, "resumed", using)


def end_pauses(using: str, now: datetime, authority: Authority) -> Iterator[Schedule]:
    """Resume the schedules whose pause has come to its end, one with each step. What came due since then runs."""
    over = Schedule.objects.using(using).filter(paused_until__lte=now).order_by("paused_until")
    keys = list(over.values_list("pk", flat=True)[:MOST_ENDED])  # a tick asks this, and there is mostly none
    for seen in Schedule.objects.using(using).filter(pk__in=keys) if keys else ():
        with one_of_many(using, now, seen, authority), locked(seen.pk, using) as row:
            require_instants(row, "paused_until")
            if _end_pause_that_is_over(row, using, now):
                tell(row, "resumed", using)
        yield seen


def let_due_run(row: Schedule, using: str, now: datetime) -> None:
    """Let run what was due before the change, after a pause that is over too."""
    _end_pause_that_is_over(row, using, now)
    materialize_due(row, using, now)


def hold_back(row: Schedule, using: str, now: datetime) -> None:
    """What a paused row means for what is to come, and for what waits behind a run. What had its turn goes on."""
    for lane in lanes_of(row.pk):
        queue.hold_lane(lane, using)
    plan_next(row, using, now)


def end_pause(row: Schedule, using: str, now: datetime, *, held_back_until: datetime | None) -> None:
    """None: what it held back is not explained, but overdue."""
    if held_back_until is not None:
        with broken_if_unreadable(row, using, now):
            explain_paused(row, using, held_back_until, now)
    put(row, **NOT_PAUSED)
    for lane in lanes_of(row.pk):
        queue.let_go_lane(lane, using)
    plan_next(row, using, now)


def _end_pause_that_is_over(row: Schedule, using: str, now: datetime) -> bool:
    """It ended when it was to, whoever notices and when."""
    if row.paused_until is None or row.paused_until > now or not is_real(row.paused_until):
        return False
    end_pause(row, using, now, held_back_until=row.paused_until - TICK)
    return True
