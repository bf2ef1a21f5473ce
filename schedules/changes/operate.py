"""What an operator asks for by hand: run now, detach, give back, delete."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Max

from schedules.changes.in_line import bring_in_line
from schedules.changes.row import explain_past, in_force, locked, plan_next, put, tell, whys
from schedules.models import Kind, Occurrence, Schedule, Source
from schedules.occurrences import ledger
from schedules.occurrences.jobs import by_hand, job_of, lanes_of
from schedules.recurrence.instants import TICK
from schedules.spec import InvalidSchedule, Spec
from worker import queue
from worker.erasure import erase
from worker.instants import LAST


def run_now(schedule: Schedule, using: str, now: datetime, *, by: str = "") -> int:
    """Enqueue a job at once, without moving the next run. Returns its id."""
    with transaction.atomic(using=using), in_force(schedule.pk, using) as row:
        manual = Occurrence.objects.using(using).filter(schedule=row.pk, kind=Kind.MANUAL)
        last = manual.filter(scheduled_for__lt=LAST).aggregate(last=Max("scheduled_for"))["last"]
        at = now if last is None else max(now, last + TICK)
        job_id, _ = queue.enqueue(job_of(row, by_hand(row, at), at), using)
        ledger.write([ledger.manual(row.pk, job_id, reason=f"by {by}" if by else "", now=at)], using)
    return job_id


def detach(schedule: Schedule, using: str, now: datetime) -> None:
    """Make a declared schedule the operator's own: sync leaves it alone from now on.

    Raises InvalidSchedule where no code has it.
    """
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        if not row.is_declared:
            raise InvalidSchedule(f"{row.name}: it {row.owned}, so it has no declaration to detach it from.")
        if row.retired_at is not None:
            explain_past(row, using, now, whys(row))
        put(row, source=Source.ADMIN, undeclared_at=None, retired_at=None)
        plan_next(row, using, now)
    tell(row, "detached", using)


def give_back(schedule: Schedule, spec: Spec, using: str, now: datetime) -> Schedule:
    """Let the code have it again, which declares it so: the opposite of detaching. Its history stays.

    Raises InvalidSchedule where the code has it.
    """
    with transaction.atomic(using=using):
        with locked(schedule.pk, using) as row:
            if row.is_declared:
                raise InvalidSchedule(
                    f"{row.name}: it already follows {row.declared_in}; there is nothing to give back."
                )
            put(row, source=spec.source)
        row = bring_in_line(spec, using, now)
    tell(row, "given_back", using)
    return row


def delete(schedule: Schedule, using: str) -> None:
    """Remove the schedule, its ledger and its jobs that nobody has started."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        for lane in lanes_of(row.pk):
            queue.cancel_lane(lane, "its schedule was deleted", using)
        lines = Occurrence.objects.using(using).filter(schedule=row.pk)
        ledger.forget(list(lines.values_list("pk", flat=True)), using)
        erase(Schedule, [row.pk], using)
    tell(schedule, "deleted", using)
