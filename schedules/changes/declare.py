"""Every change of a schedule that is not the tick's: declare, edit, pause, resume, run now, detach, retire, delete.

Each is one transaction under the row's lock that bumps its revision, so a tick which read the row before does
nothing with it. Rule E1: what was due before a change is settled under the old terms first.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

from schedules import signals
from schedules.changes.row import (
    locked,
    plan_next,
    put,
    set_aside_if_unreadable,
    settle_due,
    settle_held_back,
    settle_paused,
    tell,
)
from schedules.models import DECLARED, Kind, Occurrence, Schedule, Source, identity_of
from schedules.occurrences import ledger
from schedules.occurrences.due_schedules import UNREADABLE
from schedules.occurrences.jobs import by_hand, job_of
from schedules.occurrences.materialize import Authority
from schedules.planning.due import TICK, Ledgered, NotRun
from schedules.spec import RECURRENCE, Spec
from worker import queue
from worker.clock import DatabaseNow, database_now
from worker.models import Job


def declare(spec: Spec, using: str, *, synced_by: datetime | None = None) -> Schedule:
    """Create the schedule, or bring the one of that name in line; a pause is left alone.

    Any number of processes may do it at once: there will be one schedule. `synced_by`: when the declaring
    process started, for what is declared in code or settings.
    """
    identity = identity_of(spec.name)
    known = Schedule.objects.using(using).filter(identity=identity).first()
    if known is not None and is_as(known, spec):
        return known
    with transaction.atomic(using=using):
        now = database_now(using)
        Schedule.objects.using(using).bulk_create([_blank(spec, identity, now)], ignore_conflicts=True)
        with locked(Schedule.objects.using(using).only("pk").get(identity=identity).pk, using) as row:
            is_new = row.revision == 1
            _create(row, spec, using, now) if is_new else _bring_in_line(row, spec, using, now)
            put(row, using, synced_by=synced_by, undeclared_at=None)
    tell(row, "created" if is_new else "updated", using)
    return row


def edit(schedule: Schedule, using: str, **columns: Any) -> Schedule:
    """Change columns of a schedule. They have been checked by `spec_of`."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        _change(row, columns, using, database_now(using))
    tell(row, "updated", using)
    return row


def pause(schedule: Schedule, using: str, *, reason: str, by: str = "", until: datetime | None = None) -> None:
    """Let nothing run until it is resumed, or until that instant. Pausing again changes the reason and the end."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        now = database_now(using)
        _settle(row, using, now)
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


def run_now(schedule: Schedule, using: str, *, by: str = "") -> int:
    """Enqueue a job at once, without moving the next run. Returns its id."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        manual = Occurrence.objects.using(using).filter(schedule=row.pk, kind=Kind.MANUAL)
        last = manual.aggregate(last=Max("scheduled_for"))["last"]
        now = database_now(using) if last is None else max(database_now(using), last + TICK)
        job_id = queue.enqueue(job_of(row, by_hand(row, now), now), using)
        ledger.write([ledger.manual(row.pk, job_id, reason=f"by {by}" if by else "", now=now)], using)
    return job_id


def detach(schedule: Schedule, using: str) -> None:
    """Make a declared schedule the operator's own: sync leaves it alone from now on."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        put(row, using, source=Source.ADMIN, undeclared_at=None, retired_at=None)
        plan_next(row, using)
    tell(row, "detached", using)


def retire(schedule: Schedule, using: str) -> None:
    """Its declaration is gone: nothing runs any more, history stays."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        if row.source in DECLARED and row.undeclared_at is not None and row.retired_at is None:
            put(row, using, retired_at=database_now(using))
            plan_next(row, using)
    tell(row, "retired", using)


def mark_declared(pks: Sequence[int], using: str, synced_by: datetime) -> None:
    """Note that the process which started then declares these schedules, just as they are."""
    Schedule.objects.using(using).filter(pk__in=pks).update(synced_by=synced_by, undeclared_at=None)


def mark_undeclared(pks: Sequence[int], using: str) -> None:
    """Note since when nobody declares these schedules. They go on until they are retired."""
    Schedule.objects.using(using).filter(pk__in=pks).update(undeclared_at=DatabaseNow())


def replan(schedule: Schedule, using: str) -> None:
    """Compute the next run anew, where the zone data changed. What was due before is settled first."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        settle_due(row, using, database_now(using))
        plan_next(row, using)


def repair(schedule: Schedule, using: str) -> None:
    """Count again from now, where a leap of the clock left the cursor in the future; what was done there is undone."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        now = database_now(using)
        _forget_after(row, using, now)
        put(row, using, settled_until=min(now, row.settled_until), broken="")
        plan_next(row, using)
    tell(row, "repaired", using)


def delete(schedule: Schedule, using: str) -> None:
    """Remove the schedule, its ledger and its jobs that nobody has started."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        queue.cancel_of_schedule(row.pk, "its schedule was deleted", using)
        Schedule.objects.using(using).filter(pk=row.pk).delete()
    tell(schedule, "deleted", using)


# What a change is made of


def _settle(row: Schedule, using: str, now: datetime) -> None:
    """Let run what was due before the change, after a pause that is over too."""
    _end_pause_that_is_over(row, using, now)
    settle_due(row, using, now)


def _create(row: Schedule, spec: Spec, using: str, now: datetime) -> None:
    _begin(row, spec, using, now)
    if not spec.enabled:
        put(row, using, paused_at=now, pause_reason="declared with enabled = False")
    plan_next(row, using)


def _bring_in_line(row: Schedule, spec: Spec, using: str, now: datetime) -> None:
    """Rule E1: a change of anything but the recurrence keeps the next run."""
    _settle(row, using, now)
    if row.retired_at is not None or _recurrence_differs(row, spec):
        settle_held_back(row, using, now)
        put(row, using, retired_at=None, **spec.columns())
        _begin(row, spec, using, now)
    else:
        put(row, using, **spec.columns())
    put(row, using, broken="")
    plan_next(row, using)


def _begin(row: Schedule, spec: Spec, using: str, now: datetime) -> None:
    """Set from when it counts. Nothing fires for the time before, but a one-off that somebody asks for by hand."""
    if spec.run_at is not None and spec.run_at <= now and not _is_explained(row, spec.run_at, using):
        if spec.source in DECLARED:
            late = NotRun(Ledgered.MISSED, spec.run_at, spec.run_at, 1, "its time was past when it was first seen")
            ledger.write([ledger.not_run(row.pk, late, term=None, now=now)], using)
            signals.run_at_past.send_robust(None, name=spec.name, run_at=spec.run_at)
        else:
            now = spec.run_at - TICK
    if spec.start is None:
        put(row, using, anchor=now, settled_until=now)
    else:
        start = spec.start.at or now + timedelta(seconds=spec.start.delay)
        put(row, using, anchor=start, settled_until=max(now, start) - TICK)


def _is_explained(row: Schedule, instant: datetime, using: str) -> bool:
    """Whether the ledger has a line for it: it ran, or will not, whatever becomes of the schedule."""
    lines = Occurrence.objects.using(using).filter(schedule=row.pk, kind=Kind.NOMINAL, scheduled_for__lte=instant)
    last = lines.order_by("-scheduled_for").first()
    return last is not None and instant <= (last.scheduled_until or last.scheduled_for)


def _change(row: Schedule, columns: dict[str, Any], using: str, now: datetime) -> None:
    _settle(row, using, now)
    recurrence_changed = any(columns.get(name, getattr(row, name)) != getattr(row, name) for name in _TIMING)
    if recurrence_changed:
        settle_held_back(row, using, now)
    put(row, using, **columns, broken="")
    if recurrence_changed:
        put(row, using, settled_until=max(now, row.settled_until))
    plan_next(row, using)


def _forget_after(row: Schedule, using: str, now: datetime) -> None:
    """Drop the lines for later instants, the later part of a range, and the jobs for them that nobody has started."""
    lines = Occurrence.objects.using(using).filter(schedule=row.pk, kind=Kind.NOMINAL)
    lines.filter(scheduled_for__gt=now).delete()
    with suppress(*UNREADABLE):
        for line in lines.filter(scheduled_until__gt=now):
            span = line.scheduled_for - TICK, now
            count = row.recurrence.count(*span)
            until = row.recurrence.latest(*span) if count > 1 else None
            lines.filter(pk=line.pk).update(scheduled_until=until, count=max(count, 1))
    jobs = Job.objects.using(using).filter(schedule_id=row.pk, scheduled_for__gt=now)
    queue.cancel(list(jobs.values_list("pk", flat=True)), "the clock that made it was set back", using)


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


def _blank(spec: Spec, identity: str, now: datetime) -> Schedule:
    return Schedule(identity=identity, revision=0, created_at=now, changed_at=now, settled_until=now, **spec.columns())


def is_as(row: Schedule, spec: Spec) -> bool:
    """Whether the row is in force, and just as it is declared."""
    in_force = row.retired_at is None and not row.broken
    return in_force and all(getattr(row, name) == value for name, value in spec.columns().items())


def _recurrence_differs(row: Schedule, spec: Spec) -> bool:
    return any(getattr(row, name) != getattr(spec, name) for name in RECURRENCE)


_TIMING = (*RECURRENCE, "anchor")
