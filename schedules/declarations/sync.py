"""Declarations → rows: create, update, retire. It never deletes, so history stays.

Two releases may run side by side: a process leaves alone what one that started later has synced, and a schedule
is retired only when nobody has declared it for `GRACE`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q

from schedules import changes, signals
from schedules.declarations.configured import in_settings
from schedules.declarations.renames import lookalikes, renamed
from schedules.declarations.scheduled import in_code
from schedules.models import DECLARED, Schedule, Source, identity_of
from schedules.occurrences.materialize import ANYONE, REFUSALS, Authority, mark_broken, one_of_many, why_broken
from schedules.spec import Spec
from worker.clock import Clock
from worker.dialects.portions import portions
from worker.instants import LAST

GRACE = timedelta(minutes=10)
BATCH = 500


class Declarations(NamedTuple):
    """What code and settings declare. A name in both belongs to the settings, also where these cannot be read."""

    specs: list[Spec]
    unread: Mapping[str, str] = MappingProxyType({})
    """By the name of an entry that cannot be read, what is wrong with it."""
    nothing_read: str = ""
    """Why no entry of the settings can be read."""


def declarations() -> Declarations:
    configured = in_settings()
    by_name = {spec.name: spec for spec in (*in_code(), *configured.specs) if spec.name not in configured.unread}
    return Declarations(list(by_name.values()), configured.unread, configured.nothing_read)


def declared() -> list[Spec]:
    """All that code and settings declare, and that can be read."""
    return declarations().specs


def sync(
    using: str,
    clock: Clock,
    started_at: datetime,
    wanted: Declarations,
    authority: Authority = ANYONE,
    *,
    spares_others: bool = False,
) -> None:
    """Bring the rows in line with what the process that started at `started_at` declares.

    A row whose declaration cannot be read stays as it is, and goes on. `clock` tells the database's time: where much is
    to be changed, the last row is not as old as the first. `spares_others`: what is not declared here may be declared
    by somebody else.
    """
    known = {row.identity: row for row in _rows(using, [spec.identity for spec in wanted.specs])}
    identities = {spec.identity for spec in wanted.specs}
    missing = [spec for spec in wanted.specs if spec.identity not in known]
    known |= renamed(using, missing, identities)
    new = [spec for spec in missing if spec.identity not in known]
    anew = [] if spares_others else list(lookalikes(using, new, identities))
    others = list[Schedule]()
    in_line = [row.pk for row in _unread(using, wanted) if _may_change(row, started_at)]
    for spec in wanted.specs:
        row = known.get(spec.identity)
        if row is not None and not _may_change(row, started_at):
            if not row.is_declared and not row.is_detached:
                others.append(row)
            continue
        if row is not None and row.identity == spec.identity and changes.is_as(row, spec):
            in_line.append(row.pk)
            continue
        try:
            with transaction.atomic(using=using):
                authority.prove()
                if row is not None and row.identity != spec.identity:
                    changes.rename(row, spec.name, using, clock.now())
                changes.bring_in_line(spec, using, clock.now(), synced_by=started_at)
        except REFUSALS as error:
            _tell_refused(using, clock.now(), spec, row, error, authority)
    with transaction.atomic(using=using):
        authority.prove()
        changes.mark_declared(in_line, using, started_at)
        changes.follow_tasks(using)
        if not spares_others:
            changes.mark_undeclared(_undeclared(using, started_at, wanted), using, clock.now())
    for spec, formerly in anew:
        signals.schedule_begins_anew.send_robust(None, name=spec.name, formerly=formerly)
    for name, reason in _ignored(wanted, others):
        signals.declaration_ignored.send_robust(None, name=name, reason=reason)


def retire_undeclared(using: str, now: datetime, authority: Authority = ANYONE) -> Iterator[Schedule]:
    """Retire what nobody has declared for a while: one schedule with each step."""
    gone = Schedule.objects.using(using).declared().filter(undeclared_at__lte=now - GRACE, retired_at=None)
    for row in changes.one_by_one(gone):
        with one_of_many(using, now, row, authority):
            changes.retire(row, using, now)
        yield row


def _may_change(row: Schedule, started_at: datetime) -> bool:
    """Not what the operator detached or made, and not what a younger process has synced."""
    return row.source in DECLARED and not (row.synced_by is not None and started_at < row.synced_by < LAST)


def _tell_refused(
    using: str, now: datetime, spec: Spec, row: Schedule | None, error: Exception, authority: Authority
) -> None:
    """One that the database does not take as it is declared holds up no other."""
    if row is None:
        signals.declaration_ignored.send_robust(None, name=spec.name, reason=why_broken(error))
    else:
        mark_broken(using, now, row, error, authority)


def _ignored(wanted: Declarations, others: Sequence[Schedule]) -> Iterator[tuple[str, str]]:
    yield from wanted.unread.items()
    if wanted.nothing_read:
        yield "SCHEDULES", wanted.nothing_read
    for row in others:
        yield row.name, f"a schedule of that name, which runs {row.task}, {row.owned}"


def _unread(using: str, wanted: Declarations) -> Iterator[Schedule]:
    """The rows whose declarations cannot be read: nobody knows which those are, where nothing can."""
    yield from _rows(using, [identity_of(name) for name in wanted.unread])
    if wanted.nothing_read:
        yield from Schedule.objects.using(using).filter(source=Source.SETTINGS)


def _rows(using: str, identities: Sequence[str]) -> Iterator[Schedule]:
    for some in portions(identities, BATCH):
        yield from Schedule.objects.using(using).filter(identity__in=some)


def _undeclared(using: str, started_at: datetime, wanted: Declarations) -> list[int]:
    """The schedules that were declared once and are no more."""
    identities = {spec.identity for spec in wanted.specs} | {identity_of(name) for name in wanted.unread}
    ours = Q(synced_by=None) | Q(synced_by__lte=started_at) | Q(synced_by__gte=LAST)
    rows = Schedule.objects.using(using).declared().filter(ours, undeclared_at=None, retired_at=None)
    if wanted.nothing_read:
        rows = rows.exclude(source=Source.SETTINGS)
    return [pk for pk, identity in rows.values_list("pk", "identity") if identity not in identities]
