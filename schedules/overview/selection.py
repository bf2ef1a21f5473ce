"""The selection (names, queue, paused …): filters of the query, and the same for declarations without a row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q

from schedules.models import ScheduleQuerySet
from schedules.overview.values import Upcoming
from schedules.spec import Spec


class UnknownName(LookupError):
    """A schedule is asked for by a name that none has, or by the last part of several names."""


@dataclass(frozen=True, slots=True)
class Selection:
    names: Collection[str] = ()
    """Empty: all."""
    queue: str | None = None
    paused: bool = False
    failing: bool = False
    """Only schedules with a problem."""
    within: timedelta | None = None
    """Only what runs within that time."""

    @property
    def is_everything(self) -> bool:
        return self == EVERYTHING

    @property
    def has_jobs(self) -> bool:
        """Whether delayed jobs are asked for, too."""
        return not (self.names or self.paused or self.failing)

    # Names and queue alone decide where problems are looked for, so that no other filter hides one from a check.

    def concerned(self, rows: ScheduleQuerySet) -> ScheduleQuerySet:
        if self.names:
            rows = rows.named(*self.names)
        return rows if self.queue is None else rows.filter(queue=self.queue)

    def concerns(self, spec: Spec) -> bool:
        return (not self.names or spec.name in self.names) and self.queue in (None, spec.queue)

    # What is listed

    def listed(self, rows: ScheduleQuerySet, now: datetime) -> ScheduleQuerySet:
        """Those that may be asked for. Which of them run in time, their rows alone cannot tell: `cut` does."""
        rows = self.concerned(rows)
        if self.paused:
            rows = rows.filter(paused_at__isnull=False)
        if self.within is not None:
            horizon = now + self.within
            rows = rows.filter(Q(next_run_at__lte=horizon) | Q(paused_until__lte=horizon))
        return rows

    def cut(self, schedule: Upcoming, now: datetime) -> Upcoming | None:
        """The schedule with those of its runs that are asked for; None: it is not asked for."""
        if self.paused and schedule.pause is None:
            return None
        if self.within is None:
            return schedule
        runs = tuple(run for run in schedule.next_runs if run.at <= now + self.within)
        return replace(schedule, next_runs=runs) if runs else None


EVERYTHING = Selection()
