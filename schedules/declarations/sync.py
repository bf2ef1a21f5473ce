"""Declarations → rows: create, update, retire. It never deletes, so history stays.

Two releases may run side by side: a process leaves alone what one that started later has synced, and a schedule
is retired only when nobody has declared it for `GRACE`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from schedules import changes
from schedules.declarations.configured import in_settings
from schedules.declarations.scheduled import in_code
from schedules.models import DECLARED, Schedule
from schedules.occurrences.materialize import ANYONE, Authority
from schedules.spec import Spec
from worker.clock import Clock

GRACE = timedelta(minutes=10)
BATCH = 500


def declared() -> list[Spec]:
    """All that code and settings declare, by name; a name that both declare belongs to the settings."""
    by_name = {spec.name: spec for spec in (*in_code(), *in_settings().specs)}
    return list(by_name.values())


def sync(
    using: str,
    clock: Clock,
    started_at: datetime,
    specs: Sequence[Spec],
    authority: Authority = ANYONE,
    *,
    spares_others: bool = False,
) -> None:
    """Bring the rows in line with what the process that started at `started_at` declares.

    `clock` tells the database's time: where much is to be changed, the last row is not as old as the first.
    `spares_others`: what is not declared here may be declared by somebody else.
    """
    known = {row.identity: row for row in _rows(using, specs)}
    in_line = []
    for spec in specs:
        row = known.get(spec.identity)
        if row is not None and not _may_change(row, started_at):
            continue
        if row is not None and changes.is_as(row, spec):
            in_line.append(row.pk)
            continue
        with transaction.atomic(using=using):
            authority.prove()
            changes.bring_in_line(spec, using, clock.now(), synced_by=started_at)
    with transaction.atomic(using=using):
        authority.prove()
        changes.mark_declared(in_line, using, started_at)
        changes.follow_tasks(using)
        if not spares_others:
            changes.mark_undeclared(_undeclared(using, started_at, specs), using, clock.now())


def retire_undeclared(using: str, now: datetime, authority: Authority = ANYONE) -> Iterator[Schedule]:
    """Retire what nobody has declared for a while: one schedule with each step."""
    gone = Schedule.objects.using(using).declared().filter(undeclared_at__lte=now - GRACE, retired_at=None)
    for row in changes.one_by_one(gone):
        with transaction.atomic(using=using):
            authority.prove()
            changes.retire(row, using, now)
        yield row


def _may_change(row: Schedule, started_at: datetime) -> bool:
    """Not what the operator detached or made, and not what a younger process has synced."""
    return row.source in DECLARED and (row.synced_by is None or row.synced_by <= started_at)


def _rows(using: str, specs: Sequence[Spec]) -> Iterator[Schedule]:
    identities = [spec.identity for spec in specs]
    for start in range(0, len(identities), BATCH):
        yield from Schedule.objects.using(using).filter(identity__in=identities[start : start + BATCH])


def _undeclared(using: str, started_at: datetime, specs: Sequence[Spec]) -> list[int]:
    """The schedules that were declared once and are no more."""
    identities = {spec.identity for spec in specs}
    ours = Q(synced_by=None) | Q(synced_by__lte=started_at)
    rows = Schedule.objects.using(using).declared().filter(ours, undeclared_at=None, retired_at=None)
    return [pk for pk, identity in rows.values_list("pk", "identity") if identity not in identities]
