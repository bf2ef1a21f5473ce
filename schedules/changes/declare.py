"""A declaration and its row: made, brought in line, edited, marked, retired.

Each is one transaction under the row's lock that bumps its revision, so a tick which read the row before does
nothing with it. Rule E1: what was due before a change runs under the old columns first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from schedules import signals
from schedules.changes.pauses import let_due_run
from schedules.changes.row import explain_held_back, locked, plan_next, put, tell
from schedules.models import DECLARED, Kind, Occurrence, Schedule
from schedules.occurrences import ledger
from schedules.planning.columns import RECURRENCE, TIMING
from schedules.planning.due import BEGINNING, Ledgered, NotRun
from schedules.recurrence.instants import TICK
from schedules.spec import Spec


def in_line(spec: Spec, using: str) -> Schedule | None:
    """The schedule of that name, if it is in force and just as it is declared: then there is nothing to do."""
    known = Schedule.objects.using(using).filter(identity=spec.identity).first()
    return known if known is not None and is_as(known, spec) else None


def bring_in_line(spec: Spec, using: str, now: datetime, *, synced_by: datetime | None = None) -> Schedule:
    """Create the schedule, or bring the one of that name in line; a pause is left alone.

    Any number of processes may do it at once: there will be one schedule. `synced_by`: when the declaring
    process started, for what is declared in code or settings.
    """
    with transaction.atomic(using=using):
        Schedule.objects.using(using).bulk_create([_blank(spec, now)], ignore_conflicts=True)
        with locked(Schedule.objects.using(using).only("pk").get(identity=spec.identity).pk, using) as row:
            is_new = row.revision == 1
            _create(row, spec, using, now) if is_new else _align(row, spec, using, now)
            put(row, using, synced_by=synced_by, undeclared_at=None)
    tell(row, "created" if is_new else "updated", using)
    return row


def edit(schedule: Schedule, using: str, now: datetime, **columns: Any) -> Schedule:
    """Change columns of a schedule. They have been checked by `spec_of`."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        _change(row, columns, using, now)
    tell(row, "updated", using)
    return row


def is_as(row: Schedule, spec: Spec) -> bool:
    """Whether the row is in force, and just as it is declared."""
    in_force = row.retired_at is None and not row.broken
    return in_force and all(getattr(row, name) == value for name, value in spec.columns().items())


def mark_declared(pks: Sequence[int], using: str, synced_by: datetime) -> None:
    """Note that the process which started then declares these schedules, just as they are."""
    Schedule.objects.using(using).filter(pk__in=pks).update(synced_by=synced_by, undeclared_at=None)


def mark_undeclared(pks: Sequence[int], using: str, now: datetime) -> None:
    """Note that since now nobody declares these schedules. They go on until they are retired."""
    Schedule.objects.using(using).filter(pk__in=pks).update(undeclared_at=now)


def retire(schedule: Schedule, using: str, now: datetime) -> None:
    """Its declaration is gone: nothing runs any more, history stays."""
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        if row.source in DECLARED and row.undeclared_at is not None and row.retired_at is None:
            put(row, using, retired_at=now)
            plan_next(row, using, now)
    tell(row, "retired", using)


# What a change is made of


def _create(row: Schedule, spec: Spec, using: str, now: datetime) -> None:
    _begin(row, spec, using, now, decided_until=BEGINNING)
    if not spec.enabled:
        put(row, using, paused_at=now, pause_reason="declared with enabled = False")
    plan_next(row, using, now)


def _align(row: Schedule, spec: Spec, using: str, now: datetime) -> None:
    """Rule E1: a change of anything but the recurrence keeps the next run."""
    let_due_run(row, using, now)
    if row.retired_at is not None or _recurrence_differs(row, spec):
        explain_held_back(row, using, now)
        decided_until = _decided_until(row)
        put(row, using, retired_at=None, **spec.columns())
        _begin(row, spec, using, now, decided_until)
    else:
        put(row, using, **spec.columns())
    put(row, using, broken="")
    plan_next(row, using, now)


def _begin(row: Schedule, spec: Spec, using: str, now: datetime, decided_until: datetime) -> None:
    """Set from when it counts. Nothing fires for the time before, but a one-off that somebody asks for by hand."""
    begins = max(now, decided_until)
    if spec.run_at is not None and spec.run_at <= begins and not _is_explained(row, spec.run_at, using):
        if spec.source in DECLARED:
            _explain_as_missed(row, spec.run_at, using, now)
        else:
            now = begins = spec.run_at - TICK
    if spec.start is None:
        put(row, using, anchor=now, settled_until=begins)
    else:
        start = spec.start.at or now + timedelta(seconds=spec.start.delay)
        put(row, using, anchor=start, settled_until=max(max(now, start) - TICK, decided_until))


def _explain_as_missed(row: Schedule, run_at: datetime, using: str, now: datetime) -> None:
    late = NotRun(Ledgered.MISSED, run_at, run_at, 1, "its time was past when it was first seen")
    ledger.write([ledger.not_run(row.pk, late, term=None, now=now)], using)
    signals.run_at_past.send_robust(None, name=row.name, run_at=run_at)


def _decided_until(row: Schedule) -> datetime:
    """Its cursor; but where that only holds the first run back, nothing has been decided."""
    waits_for_its_first = row.anchor is not None and row.settled_until == row.anchor - TICK
    return BEGINNING if waits_for_its_first else row.settled_until


def _is_explained(row: Schedule, instant: datetime, using: str) -> bool:
    """Whether the ledger has a line for it: it ran, or will not, whatever becomes of the schedule."""
    lines = Occurrence.objects.using(using).filter(schedule=row.pk, kind=Kind.NOMINAL, scheduled_for__lte=instant)
    last = lines.order_by("-scheduled_for").first()
    return last is not None and instant <= (last.scheduled_until or last.scheduled_for)


def _change(row: Schedule, columns: dict[str, Any], using: str, now: datetime) -> None:
    let_due_run(row, using, now)
    recurrence_changed = any(columns.get(name, getattr(row, name)) != getattr(row, name) for name in TIMING)
    if recurrence_changed:
        explain_held_back(row, using, now)
    put(row, using, **columns, broken="")
    if recurrence_changed:
        put(row, using, settled_until=max(now, row.settled_until))
    plan_next(row, using, now)


def _blank(spec: Spec, now: datetime) -> Schedule:
    times = {"created_at": now, "changed_at": now, "settled_until": now}
    return Schedule(identity=spec.identity, revision=0, **times, **spec.columns())


def _recurrence_differs(row: Schedule, spec: Spec) -> bool:
    return any(getattr(row, name) != getattr(spec, name) for name in RECURRENCE)
