"""Repair a schedule after the clock was set back, and compute next runs anew after the rules of a zone changed."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from django.db import transaction

from schedules.changes.row import explain_past, in_force, locked, materialize_due, plan_next, put, tell, whys
from schedules.models import Kind, Occurrence, Schedule
from schedules.occurrences import ledger
from schedules.occurrences.due_schedules import UNREADABLE, instants_again
from schedules.occurrences.jobs import lanes_of
from schedules.recurrence.instants import TICK
from schedules.spec import InvalidSchedule
from worker import queue, wakeup
from worker.models import Job


def repair(schedule: Schedule, using: str, now: datetime) -> None:
    """Count again from now: what a broken schedule did not run stays in the ledger as broken.

    Where a leap of the clock left the cursor in the future, what was done there is undone.

    `schedule` was read before `now`. Raises InvalidSchedule if it was changed since: what was done after `now` would
    then not be of a leap.
    """
    with transaction.atomic(using=using), in_force(schedule.pk, using) as row:
        if row.revision != schedule.revision:
            raise InvalidSchedule(f"{row.name}: somebody changed it at the same moment. Look at it again.")
        _forget_after(row, using, now)
        put(row, **instants_again(row, now))
        put(row, settled_until=min(now, row.settled_until))
        if row.broken:
            explain_past(row, using, now, whys(row))
            put(row, broken="")
        plan_next(row, using, now)
    tell(row, "repaired", using)


def replan(schedule: Schedule, using: str, now: datetime) -> None:
    """Compute the next run anew, where the zone data changed. What was due before runs first."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        materialize_due(row, using, now)
        plan_next(row, using, now)
    wakeup.announce({wakeup.LATER}, using)  # it may be due before the leader would look again


def _forget_after(row: Schedule, using: str, now: datetime) -> None:
    """Drop the lines for later instants, the later part of a range, and the jobs for them that nobody has started."""
    lines = Occurrence.objects.using(using).filter(schedule=row.pk, kind=Kind.NOMINAL)
    ledger.forget(list(lines.filter(scheduled_for__gt=now).values_list("pk", flat=True)), using)
    with suppress(*UNREADABLE):
        for line in lines.filter(scheduled_until__gt=now):
            span = line.scheduled_for - TICK, now
            count = row.recurrence.count(*span)
            until = row.recurrence.latest(*span) if count > 1 else None
            lines.filter(pk=line.pk).update(scheduled_until=until, count=max(count, 1))
    for lane in lanes_of(row.pk):
        jobs = Job.objects.using(using).filter(lane=lane, scheduled_for__gt=now)
        queue.cancel_unstarted(list(jobs.values_list("pk", flat=True)), "the clock that made it was set back", using)
