"""Declarations and their rows, many at once: looked at, made, brought in line. One is a list of one.

Rows that there are change under their locks, so a tick which read one before does nothing with it. Rule E1: what was
due before a change runs under the old columns first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import IntegrityError, transaction

from schedules.changes.revisions import require_revision
from schedules.changes.row import all_locked, explain_not_run, insert, put, tell_all
from schedules.changes.wishes import begin, first_row, follow, wish_of
from schedules.models import DECLARED, Schedule, Source
from schedules.occurrences.jobs import leave_all_behind
from schedules.planning.due import NotRun
from schedules.spec import InvalidSchedule, Spec
from worker.calls import mean_the_same
from worker.carry.stored import options_alone
from worker.clock import DatabaseNow, database_now
from worker.dialects.portions import portions

AT_ONCE = 500
"""Rows in a statement. MariaDB may read the whole table for a list of a thousand."""


@dataclass(frozen=True)
class Wanted:
    """A schedule as it was declared, and what is known of its row."""

    spec: Spec
    pk: int | None = None
    """Of its row, where somebody has seen one."""
    revision: str | None = None
    """What the row is to say before; None: whatever it says."""
    where: str = ""
    """Where it stands in a list: how a message about it begins."""


def all_in_line(wanted: Sequence[Wanted], using: str, now: datetime | None = None) -> list[Schedule]:
    """The schedules of these names: those that are not as they are wanted are made, or brought in line.

    `now`: None is the database's, read with the rows.
    """
    rows, differ, read_at = dict[str, Schedule](), list[Wanted](), now
    for row, each in _seen(wanted, using):
        if row is not None:
            rows[row.identity], read_at = row, now or row.__dict__["read_at"]
        if row is None or each.revision is not None or not is_as(row, each.spec):
            differ.append(each)
    if differ:
        changed = bring_all_in_line(differ, using, read_at or database_now(using))
        rows |= {row.identity: row for row in changed}
    return [rows[each.spec.identity] for each in wanted]


def bring_in_line(
    spec: Spec, using: str, now: datetime, *, synced_by: datetime | None = None, revision: str | None = None
) -> Schedule:
    """Create the schedule, or bring the one of that name in line; a pause is left alone.

    `synced_by`: when the declaring process started, for what is declared in code or settings. `revision`: what the row
    is to say before; raises RevisionConflict; or InvalidSchedule, where the name belongs to somebody else.
    """
    seen = [each for _, each in _seen([Wanted(spec, revision=revision)], using)]
    (row,) = bring_all_in_line(seen, using, now, synced_by=synced_by)
    return row


def bring_all_in_line(
    wanted: Sequence[Wanted], using: str, now: datetime, *, synced_by: datetime | None = None
) -> list[Schedule]:
    """The same of many, all of them or none.

    Any number of processes may do it at once: there will be one schedule of each name. Of what nobody has seen a row,
    a new one is put in without a look; where another was faster, all begins anew.
    """
    try:
        with transaction.atomic(using=using):
            created, updated = _bring(wanted, using, now, synced_by)
    except IntegrityError:
        seen = [each for _, each in _seen(wanted, using)]
        if {each.pk for each in seen} == {each.pk for each in wanted}:
            raise
        return bring_all_in_line(seen, using, now, synced_by=synced_by)
    tell_all({"created": created, "updated": updated}, using)
    return [*created, *updated]


def is_as(row: Schedule, spec: Spec) -> bool:
    """Whether the row is in force, and just as it is declared."""
    in_force = row.retired_at is None and not row.broken
    wish = wish_of(spec)
    stays = wish.start is None or not spec.repeat or wish.start == row.anchor
    same = all(_is_same(row, spec, name, value) for name, value in wish.columns.items())
    return in_force and stays and same and row.enabled == wish.enabled


def _is_same(row: Schedule, spec: Spec, column: str, value: object) -> bool:
    if column == "arguments":
        return mean_the_same(row.task, row.arguments, spec.arguments)
    if column == "task_options" and spec.source not in DECLARED:  # an equal call is one, wherever it is made
        return options_alone(row.task_options) == options_alone(spec.task_options)
    return bool(getattr(row, column) == value)


def _seen(wanted: Iterable[Wanted], using: str) -> Iterator[tuple[Schedule | None, Wanted]]:
    """Each with its row, if it has one, in the order of identities, as all lock them."""
    in_order = sorted(wanted, key=lambda each: each.spec.identity)
    for some in portions(in_order, AT_ONCE):
        those = Schedule.objects.using(using).filter(identity__in=[each.spec.identity for each in some])
        rows = {row.identity: row for row in those.annotate(read_at=DatabaseNow())}
        for each in some:
            row = rows.get(each.spec.identity)
            yield row, replace(each, pk=None if row is None else row.pk)


def _bring(
    wanted: Sequence[Wanted], using: str, now: datetime, synced_by: datetime | None
) -> tuple[list[Schedule], list[Schedule]]:
    """Those that were made, and those that were brought in line."""
    created, updated = list[Schedule](), list[Schedule]()
    for some in portions(wanted, AT_ONCE):
        with all_locked([each.pk for each in some if each.pk is not None], using) as locked:
            rows = {row.pk: row for row in locked}
            moved = [
                rows[each.pk]
                for each in some
                if each.pk in rows and _follow(rows[each.pk], each, using, now, synced_by)
            ]
            leave_all_behind(moved, using)
            updated += locked
        created += _made([each for each in some if each.pk not in rows], using, now, synced_by)
    return created, updated


def _follow(row: Schedule, wanted: Wanted, using: str, now: datetime, synced_by: datetime | None) -> bool:
    spec = wanted.spec
    with _told_where(wanted):
        require_revision(row, wanted.revision)
        _require_owner(row, spec)
    if row.retired_at is not None and spec.source not in DECLARED:
        put(row, runs=0)  # it is another schedule, which uses the name again
    moves = follow(row, wish_of(spec), using, now)
    put(row, synced_by=synced_by, undeclared_at=None)
    return moves


def _made(wanted: Sequence[Wanted], using: str, now: datetime, synced_by: datetime | None) -> list[Schedule]:
    """Raises IntegrityError where there is one of these names already."""
    rows, explained = list[Schedule](), list[tuple[Schedule, list[NotRun]]]()
    for each in wanted:
        row = first_row(each.spec, now)
        with _told_where(each):
            require_revision(row, each.revision)
        explained.append((row, begin(row, wish_of(each.spec), using, now)))
        row.synced_by = synced_by
        rows.append(row)
    insert(rows, using)
    for row, not_run in explained:
        explain_not_run(row, not_run, using, now)
    return rows


@contextmanager
def _told_where(wanted: Wanted) -> Iterator[None]:
    try:
        yield
    except InvalidSchedule as fault:
        if not wanted.where:
            raise
        raise type(fault)(f"{wanted.where}: {fault}") from fault


def _require_owner(row: Schedule, spec: Spec) -> None:
    """A name has one owner, and changes hands only where it is retired, or where somebody gives it back.

    An operator edits what there is by `edit`, so a second one who makes a schedule of that name is refused, too.
    """
    is_its_own = row.is_declared if spec.source in DECLARED else row.source == spec.source != Source.ADMIN
    if not is_its_own and row.retired_at is None:
        remedy = "Give one of them another name" if row.is_declared else "Give yours another name, or delete that one"
        raise InvalidSchedule(f"{row.name}: a schedule of that name {row.owned}. {remedy}.")
