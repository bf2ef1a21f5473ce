"""What is looked at: one database at one instant, and the part of it that is asked for.

What several questions need is read once here, and only if one of them needs it. It only reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db import connections

from schedules.declarations.sync import declared
from schedules.leader.alive import is_alive, newest_term
from schedules.models import Leadership, Schedule, ScheduleQuerySet
from schedules.overview.selection import EVERYTHING, Selection
from schedules.overview.values import Lead
from schedules.spec import Spec
from worker import tasks
from worker.dialects.portions import portions
from worker.models import Job

MOST_NAMES = 500
"""In one statement."""


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

    @cached_property
    def unsynced(self) -> list[Spec]:
        """What is declared, and not in the database."""
        if not self.has_tables:
            return self.specs
        identities = [spec.identity for spec in self.specs]
        known = {
            identity
            for some in portions(identities, MOST_NAMES)
            for identity in self.all_rows.filter(identity__in=some).values_list("identity", flat=True)
        }
        return [spec for spec, identity in zip(self.specs, identities, strict=True) if identity not in known]

    @cached_property
    def known_tasks(self) -> frozenset[str]:
        """The tasks that this process can run. Naming one in the settings registers it."""
        assert self.specs is not None
        return frozenset(task.name for task in tasks.registered())

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
