"""A declaration and its row: made, brought in line, edited, marked, retired.

Each is one transaction under the row's lock that bumps its revision, so a tick which read the row before does
nothing with it. Rule E1: what was due before a change runs under the old columns first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from schedules.changes.pauses import let_due_run
from schedules.changes.revisions import require_revision
from schedules.changes.row import locked, plan_next, put, tell
from schedules.changes.wishes import Wish, begin, first_row, follow, wish_of
from schedules.models import DECLARED, Schedule, Source
from schedules.spec import FROM_TASK, InvalidSchedule, Spec
from worker.calls import mean_the_same


def in_line(spec: Spec, using: str) -> Schedule | None:
    """The schedule of that name, if it is in force and just as it is declared: then there is nothing to do."""
    known = Schedule.objects.using(using).filter(identity=spec.identity).first()
    return known if known is not None and is_as(known, spec) else None


def bring_in_line(
    spec: Spec, using: str, now: datetime, *, synced_by: datetime | None = None, revision: str | None = None
) -> Schedule:
    """Create the schedule, or bring the one of that name in line; a pause is left alone.

    Any number of processes may do it at once: there will be one schedule. `synced_by`: when the declaring
    process started, for what is declared in code or settings. `revision`: what the row is to be before; raises
    RevisionConflict; or InvalidSchedule, where the name belongs to somebody else.
    """
    with transaction.atomic(using=using):
        Schedule.objects.using(using).bulk_create([first_row(spec, now)], ignore_conflicts=True)
        with locked(Schedule.objects.using(using).only("pk").get(identity=spec.identity).pk, using) as row:
            is_new = row.revision == 1
            require_revision(row, revision)
            if not is_new:
                _require_owner(row, spec)
            if row.retired_at is not None and spec.source not in DECLARED:
                put(row, using, runs=0)  # it is another schedule, which uses the name again
            (begin if is_new else follow)(row, wish_of(spec), using, now)
            put(row, using, synced_by=synced_by, undeclared_at=None)
    tell(row, "created" if is_new else "updated", using)
    return row


def _require_owner(row: Schedule, spec: Spec) -> None:
    """A name has one owner, and changes hands only where it is retired, or where somebody gives it back.

    An operator edits what there is by `edit`, so a second one who makes a schedule of that name is refused, too.
    """
    is_its_own = row.is_declared if spec.source in DECLARED else row.source == spec.source != Source.ADMIN
    if not is_its_own and row.retired_at is None:
        remedy = "Give one of them another name" if row.is_declared else "Give yours another name, or delete that one"
        raise InvalidSchedule(f"{row.name}: a schedule of that name {row.owned}. {remedy}.")


def edit(
    schedule: Schedule,
    using: str,
    now: datetime,
    *,
    anchor: datetime | None = None,
    runs_late: bool = True,
    revision: str | None = None,
    **columns: Any,
) -> Schedule:
    """Change columns of a schedule. They have been checked by `spec_of`.

    `anchor`: from where a repeat is to count. `runs_late`: whether a one-off whose time is past runs at once.
    `revision`: what the row is to be before; raises RevisionConflict.
    """
    with transaction.atomic(using=using), locked(schedule.pk, using) as row:
        require_revision(row, revision)
        own = {*row.own_options.split(), *(FROM_TASK & columns.keys())}
        wish = Wish({"own_options": " ".join(sorted(own)), **columns}, anchor, runs_late=runs_late)
        follow(row, wish, using, now)
    tell(row, "updated", using)
    return row


def is_as(row: Schedule, spec: Spec) -> bool:
    """Whether the row is in force, and just as it is declared."""
    in_force = row.retired_at is None and not row.broken
    wish = wish_of(spec)
    stays = wish.start is None or not spec.repeat or wish.start == row.anchor
    same = all(_is_same(row, name, value) for name, value in wish.columns.items())
    return in_force and stays and same and row.enabled == wish.enabled


def _is_same(row: Schedule, column: str, value: object) -> bool:
    if column == "arguments":
        return mean_the_same(row.task, row.arguments, str(value))
    return bool(getattr(row, column) == value)


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
            let_due_run(row, using, now)
            put(row, using, retired_at=now)
            plan_next(row, using, now)
    tell(row, "retired", using)
