"""Declarations → rows: create, update, retire. It never deletes, so history stays.

Two releases may run side by side: a process leaves alone what one that started later has synced, and a schedule
is retired only when nobody has declared it for `GRACE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q

from schedules import changes, signals
from schedules.declarations.configured import in_settings
from schedules.declarations.renames import identities_among, lookalikes, renamed
from schedules.declarations.scheduled import in_code
from schedules.models import DECLARED, Schedule, Source, identity_of
from schedules.occurrences.materialize import ANYONE, REFUSALS, Authority, mark_broken, one_of_many, why_broken
from schedules.spec import Spec
from worker.clock import Clock
from worker.dialects.portions import portions
from worker.instants import LAST

GRACE = timedelta(minutes=10)
COMPARED_AT_ONCE = 100
CHANGED_AT_ONCE = 5
"""Rows between two ticks, where there is a tick all the time: else a sync would never end."""


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
    spares_others: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Bring the rows in line with what the process that started at `started_at` declares, a portion with each step.

    A row whose declaration cannot be read stays as it is, and goes on. `clock` tells the database's time: a change
    takes effect when its portion comes, and what is due before that runs by the old row. What is declared no more is
    marked last, when all the rest has been compared. `spares_others`: whether what is not declared here may be declared
    by somebody else; asked at the beginning, and before anything is marked.
    """
    return _Sync(using, clock, started_at, wanted, authority, spares_others).portions()


def retire_undeclared(using: str, now: datetime, authority: Authority = ANYONE) -> Iterator[Schedule]:
    """Retire what nobody has declared for a while: one schedule with each step."""
    gone = Schedule.objects.using(using).declared().filter(undeclared_at__lte=now - GRACE, retired_at=None)
    for row in changes.one_by_one(gone):
        with one_of_many(using, now, row, authority):
            changes.retire(row, using, now)
        yield row


class _Sync:
    """Each method gives portions. What a portion needs of a row it reads itself: ticks and edits come in between."""

    def __init__(
        self,
        using: str,
        clock: Clock,
        started_at: datetime,
        wanted: Declarations,
        authority: Authority,
        spares_others: Callable[[], bool],
    ) -> None:
        self.using = using
        self.clock = clock
        self.started_at = started_at
        self.wanted = wanted
        self.authority = authority
        self.spares_others = spares_others
        self.identities = {spec.identity for spec in wanted.specs}
        self.rows = Schedule.objects.using(using)
        self.former: Mapping[str, str] = {}
        """By the identity of a spec that was renamed, under which its row stands."""
        self.lookalikes: dict[str, str] = {}
        """By the identity of a spec that is new, the name of a schedule that is gone and did the same."""
        self.made_by_others: list[Schedule] = []

    def portions(self) -> Iterator[None]:
        yield from self._look_for_renames()
        yield from self._bring_in_line()
        yield from self._keep_unread()
        yield from changes.follow_tasks(self.using, self.authority)
        if not self.spares_others():
            yield from self._mark_undeclared()
        for name, reason in _ignored(self.wanted, self.made_by_others):
            signals.declaration_ignored.send_robust(None, name=name, reason=reason)

    def _look_for_renames(self) -> Iterator[None]:
        known = yield from identities_among(self.rows, list(self.identities))
        missing = [spec for spec in self.wanted.specs if spec.identity not in known]
        self.former = yield from renamed(self.using, missing, self.identities)
        new = [spec for spec in missing if spec.identity not in self.former]
        if not self.spares_others():
            for found in lookalikes(self.using, new, self.identities):
                self.lookalikes |= {spec.identity: formerly for spec, formerly in found}
                yield

    def _bring_in_line(self) -> Iterator[None]:
        for some in portions(self.wanted.specs, COMPARED_AT_ONCE):
            differ = self._compare(some)
            yield
            for few in portions(differ, CHANGED_AT_ONCE):
                for spec, pk in few:
                    self._change(spec, pk)
                yield

    def _compare(self, specs: Sequence[Spec]) -> list[tuple[Spec, int | None]]:
        """Mark those that are in line. Returns the others, with the keys of their rows if they have any."""
        rows = self._rows_of(specs)
        in_line, differ = list[int](), list[tuple[Spec, int | None]]()
        for spec in specs:
            row = rows.get(spec.identity) or rows.get(self.former.get(spec.identity, ""))
            if row is None:
                differ.append((spec, None))
            elif not self._may_change(row):
                if not row.is_declared and not row.is_detached:
                    self.made_by_others.append(row)
            elif row.identity == spec.identity and changes.is_as(row, spec):
                in_line.append(row.pk)
            else:
                differ.append((spec, row.pk))
        self._mark_declared(in_line)
        return differ

    def _rows_of(self, specs: Sequence[Spec]) -> Mapping[str, Schedule]:
        rows = {row.identity: row for row in self.rows.filter(identity__in=[spec.identity for spec in specs])}
        former = [self.former[spec.identity] for spec in specs if spec.identity in self.former]
        return rows | {row.identity: row for row in self.rows.declared().filter(identity__in=former)}

    def _change(self, spec: Spec, pk: int | None) -> None:
        """One that the database does not take as it is declared holds up no other."""
        row = self.rows.filter(pk=pk).first() if pk is not None else None
        if row is not None and not self._may_change(row):
            return
        try:
            with transaction.atomic(using=self.using):
                self.authority.prove()
                if row is not None and row.identity != spec.identity:
                    changes.rename(row, spec.name, self.using, self.clock.now())
                changes.bring_in_line(spec, self.using, self.clock.now(), synced_by=self.started_at)
        except REFUSALS as error:
            if row is None:
                signals.declaration_ignored.send_robust(None, name=spec.name, reason=why_broken(error))
            else:
                mark_broken(self.using, self.clock.now(), row, error, self.authority)
        else:
            if row is None and spec.identity in self.lookalikes:
                formerly = self.lookalikes[spec.identity]
                signals.schedule_begins_anew.send_robust(None, name=spec.name, formerly=formerly)

    def _keep_unread(self) -> Iterator[None]:
        """The rows whose declarations cannot be read: nobody knows which those are, where nothing can."""
        unread = self.rows.filter(source=Source.SETTINGS)
        if not self.wanted.nothing_read:
            unread = self.rows.filter(identity__in=[identity_of(name) for name in self.wanted.unread])
        for some in changes.some_by_some(unread.only("source", "synced_by")):
            self._mark_declared([row.pk for row in some if self._may_change(row)])
            yield

    def _mark_declared(self, pks: Sequence[int]) -> None:
        if pks:
            with transaction.atomic(using=self.using):
                self.authority.prove()
                changes.mark_declared(pks, self.using, self.started_at)

    def _mark_undeclared(self) -> Iterator[None]:
        """The schedules that were declared once and are no more."""
        declared = self.identities | {identity_of(name) for name in self.wanted.unread}
        ours = Q(synced_by=None) | Q(synced_by__lte=self.started_at) | Q(synced_by__gte=LAST)
        rows = self.rows.declared().filter(ours, undeclared_at=None, retired_at=None)
        if self.wanted.nothing_read:
            rows = rows.exclude(source=Source.SETTINGS)
        for some in changes.some_by_some(rows.only("identity")):
            gone = [row.pk for row in some if row.identity not in declared]
            if gone:
                with transaction.atomic(using=self.using):
                    self.authority.prove()
                    changes.mark_undeclared(gone, self.using, self.clock.now())
            yield

    def _may_change(self, row: Schedule) -> bool:
        """Not what the operator detached or made, and not what a younger process has synced."""
        return row.source in DECLARED and not (row.synced_by is not None and self.started_at < row.synced_by < LAST)


def _ignored(wanted: Declarations, others: Sequence[Schedule]) -> Iterator[tuple[str, str]]:
    yield from wanted.unread.items()
    if wanted.nothing_read:
        yield "SCHEDULES", wanted.nothing_read
    for row in others:
        yield row.name, f"a schedule of that name, which runs {row.task}, {row.owned}"
