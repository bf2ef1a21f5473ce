"""Rows of schedules under their locks, and what every change of one is made of: explain, put, plan the next run, tell.

What is put into a row is written when its lock is about to end, with what is put into the others: one statement for
all that change alike. It knows how, not when: the verbs stand in the files beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from django.db import connections, transaction
from django.db.models import Choices, F, QuerySet

from schedules import signals
from schedules.models import Schedule
from schedules.occurrences import ledger
from schedules.occurrences.due_schedules import COUNTED_BY, UNREADABLE, instants_again, require_instants
from schedules.occurrences.materialize import materialize, why_broken
from schedules.planning import Plan, Standing, Why, explain, next_run, stood_still
from schedules.planning.due import BEGINNING, Ledgered, NotRun
from schedules.recurrence.zones import zone_version
from schedules.spec import InvalidSchedule
from worker import wakeup
from worker.codec import sealed
from worker.dialects import dialect_of
from worker.instants import is_real
from worker.options import options

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
    """The row as it is, locked until the transaction ends. Its revision is moved on. Raises Schedule.DoesNotExist."""
    with all_locked([pk], using) as rows:
        if not rows:
            raise Schedule.DoesNotExist
        yield rows[0]


@contextmanager
def all_locked(pks: Sequence[int], using: str) -> Iterator[list[Schedule]]:
    """The same of those that there are. All lock them in the order of identities, so no two wait for each other."""
    those = Schedule.objects.using(using).filter(pk__in=pks).order_by("identity")
    if pks and not dialect_of(connections[using]).words.row_lock:
        those.order_by().update(revision=F("revision"))  # SQLite has no lock but the one that a write takes
    rows = list(those.select_for_update()) if pks else []
    yield rows
    write(rows, using)


@contextmanager
def in_force(pk: int, using: str) -> Iterator[Schedule]:
    """The same, for a verb that means nothing where nothing runs any more. Raises InvalidSchedule."""
    with locked(pk, using) as row:
        if row.retired_at is not None:
            raise InvalidSchedule(
                f"{row.name}: it is retired, because nothing declares it any more. Declare it again, detach "
                f"it, or make another schedule of that name."
            )
        yield row


def materialize_due(row: Schedule, using: str, now: datetime) -> None:
    """What the row says is due runs, as the policy decides."""
    if row.next_run_at is not None and row.next_run_at <= now:
        write([row], using)
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
    explain_not_run(row, plan.not_run, using, now)
    put(row, settled_until=plan.cursor)


def explain_not_run(row: Schedule, not_run: Iterable[NotRun], using: str, now: datetime) -> None:
    ledger.write([ledger.not_run(row.pk, what, term=None, now=now) for what in not_run], using)


def plan_next(row: Schedule, using: str, now: datetime) -> None:
    """Compute the next run anew from the cursor."""
    next_run_at = None
    with broken_if_unreadable(row, using, now):
        if not (row.retired_at or row.broken):
            require_instants(row, *COUNTED_BY, "paused_until")
        if not (row.paused_at or row.retired_at or row.broken):
            next_run_at = next_run(row.recurrence, row.policies, row.settled_until, row.runs)
    put(row, next_run_at=next_run_at, zone_version=zone_version(), changed_at=now)


@contextmanager
def broken_if_unreadable(row: Schedule, using: str, now: datetime) -> Iterator[None]:
    """A row may hold what no declaration would: another edition of the zone data is enough. That stops only itself."""
    try:
        yield
    except UNREADABLE as error:
        reason = why_broken(error)
        put(row, broken=reason, **instants_again(row, now))
        transaction.on_commit(
            lambda: signals.schedule_broken.send_robust(None, name=row.name, reason=reason), using=using
        )


def put(row: Schedule, **columns: Any) -> None:
    """Into a row under its lock. It is written when the lock is about to end."""
    row.put.update(columns)
    for name, value in columns.items():
        setattr(row, name, value)


def insert(rows: Sequence[Schedule], using: str) -> None:
    """Rows that are new, as they stand. Raises IntegrityError where one of their names is taken."""
    if rows:
        connection = connections[using]
        values = _values_of(rows, _COLUMNS)
        pks = dialect_of(connection).insertions.insert_rows(connection, Schedule, _COLUMNS, values)
        for row, pk in zip(rows, pks, strict=True):
            row.pk = pk
            row.put.clear()


def write(rows: Iterable[Schedule], using: str) -> None:
    """Write what was put into rows under their locks, and move their revisions on."""
    alike = defaultdict[tuple[str, ...], list[Schedule]](list)
    for row in rows:
        alike[tuple(sorted(row.put))].append(row)
    connection = connections[using]
    for columns, those in alike.items():
        for row in those:
            row.revision = _after(row.revision)
        names = ("id", "revision", *columns)
        dialect_of(connection).many.change(connection, Schedule, names, _values_of(those, names))
        for row in those:
            row.put.clear()


def _after(revision: object) -> int:
    return revision + 1 if isinstance(revision, int) else 1  # SQLite may hold any text there


def _values_of(rows: Sequence[Schedule], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    of_columns = zip(*map(attrgetter(*columns), rows), strict=True)
    plain = [_plain(values) for values in of_columns]
    if options().CODEC is not None and "arguments" in columns:
        place = columns.index("arguments")
        plain[place] = list(map(sealed, plain[place]))
    return list(zip(*plain, strict=True))


def _plain(column: Sequence[Any]) -> Sequence[Any]:
    """A column as the drivers take it, at a glance: nearly all have no choice in them."""
    if not any(issubclass(kind, Choices) for kind in set(map(type, column))):
        return column
    return [value.value if isinstance(value, Choices) else value for value in column]


def tell(row: Schedule, change: str, using: str) -> None:
    tell_all({change: [row]}, using)


def tell_all(changed: Mapping[str, Iterable[Schedule]], using: str) -> None:
    """`changed`: rows by what was done to them."""
    wakeup.announce({wakeup.LATER}, using)
    names = [(row.name, change) for change, rows in changed.items() for row in rows]
    transaction.on_commit(partial(_send, names), using=using)


def _send(changed: Iterable[tuple[str, str]]) -> None:
    for name, change in changed:
        signals.schedule_changed.send_robust(None, name=name, change=change)


_COLUMNS = tuple(str(field.column) for field in Schedule._meta.concrete_fields if not field.primary_key)
