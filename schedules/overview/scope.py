"""The scope of a look: one database, one instant, and the selection that is asked for.

Values that several questions need are read once, and only if one of them needs them. It only reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from django.db import connections

from schedules.declarations.renames import lookalikes
from schedules.declarations.sync import declared
from schedules.leader.alive import is_alive, newest_term
from schedules.models import Leadership, Owned, Schedule, ScheduleQuerySet
from schedules.overview.selection import EVERYTHING, Selection
from schedules.overview.values import Lead
from schedules.spec import Spec
from worker import tasks
from worker.dialects.portions import portions
from worker.models import Job, WorkerProcess
from worker.options import options
from worker.serving import living_workers
from worker.tasks import Task

MOST_NAMES = 500
"""In one statement."""


class _Read(NamedTuple):
    identity: str
    source: str
    declared_in: str
    task: str


class Owner(Owned, _Read):
    """Who has the row of a name that is declared."""

    __slots__ = ()


@dataclass(frozen=True)
class Scope:
    using: str
    now: datetime
    selection: Selection = EVERYTHING

    @property
    def rows(self) -> ScheduleQuerySet:
        """The schedules in which problems are looked for."""
        return self.selection.concerned(self.all_rows)

    @property
    def all_rows(self) -> ScheduleQuerySet:
        return Schedule.objects.using(self.using)

    @cached_property
    def has_tables(self) -> bool:
        return has_tables(self.using)

    @cached_property
    def specs(self) -> list[Spec]:
        """What code and settings declare."""
        return declared()

    def names_of(self, jobs: Iterable[Job]) -> dict[int, str]:
        """The names of their schedules, by id. Of jobs that have none, nothing is asked."""
        ids = {job.schedule_id for job in jobs if job.schedule_id is not None}
        return dict(self.all_rows.filter(pk__in=ids).values_list("pk", "name"))

    @property
    def unsynced(self) -> list[Spec]:
        """What is declared, and not in the database."""
        return [spec for spec, owner in self.owned if owner is None]

    @cached_property
    def owned(self) -> list[tuple[Spec, Owner | None]]:
        """What is declared, each with the row of its name."""
        if not self.has_tables:
            return [(spec, None) for spec in self.specs]
        identities = [spec.identity for spec in self.specs]
        found = {
            owner.identity: owner
            for some in portions(identities, MOST_NAMES)
            for owner in map(Owner._make, self.all_rows.filter(identity__in=some).values_list(*Owner._fields))
        }
        return [(spec, found.get(identity)) for spec, identity in zip(self.specs, identities, strict=True)]

    @cached_property
    def lookalikes(self) -> list[tuple[Spec, str]]:
        """What is new, with the name of what is declared no more and did the same: perhaps it was renamed."""
        if not self.has_tables:
            return []
        found = lookalikes(self.using, self.unsynced, {spec.identity for spec in self.specs})
        return list(chain.from_iterable(found))

    @property
    def known_tasks(self) -> frozenset[str]:
        """The tasks that this process can run, by all their names."""
        return _names_of(self._tasks)

    @property
    def may_fail(self) -> frozenset[str]:
        """The tasks whose failures are no problem."""
        return _names_of(task for task in self._tasks if task.may_fail)

    @cached_property
    def _tasks(self) -> list[Task]:
        """Naming a task in the settings registers it."""
        assert self.specs is not None
        return list(tasks.registered())

    @property
    def failures_since(self) -> datetime:
        """What has failed for good before this is told no more."""
        return self.now - options().FAILURES_WITHIN

    @cached_property
    def workers(self) -> list[WorkerProcess]:
        """Those that live."""
        return living_workers(self.using, self.now)

    @cached_property
    def last_term(self) -> Leadership | None:
        return newest_term(self.using)

    @property
    def term(self) -> Leadership | None:
        """The term of the leader that is alive."""
        return self.last_term if is_alive(self.last_term, self.now) else None

    @property
    def lead(self) -> Lead | None:
        if (term := self.term) is None:
            return None
        return Lead(term.leader, term.pk, term.lock, term.started_at, term.renewed_at)


def has_tables(using: str) -> bool:
    wanted = {Schedule._meta.db_table, Job._meta.db_table}
    return wanted <= set(connections[using].introspection.table_names())


def _names_of(known: Iterable[Task]) -> frozenset[str]:
    return frozenset(name for task in known for name in (task.name, *task.formerly))
