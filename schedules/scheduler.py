"""The tick: due schedules → jobs. `now` is given; who may tick is the leader's business.

A newcomer reads here first. What is due is found by one index on `next_run_at`; what becomes of it is decided
in `planning`, and written in `occurrences`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Min, QuerySet

from schedules import changes
from schedules.models import Schedule
from schedules.occurrences.due_schedules import due_schedules
from schedules.occurrences.materialize import ANYONE, Authority, materialize, one_of_many
from schedules.recurrence.zones import zone_version
from worker.chores import Chores
from worker.promotion import HELD_BY_OTHERS

BATCH = 1000


def tick(using: str, now: datetime, chores: Chores, authority: Authority = ANYONE) -> datetime | None:
    """Turn due occurrences into jobs, a batch of schedules at a time. Safe to run twice, or by two leaders.

    Returns when to tick again: at once, where more is due, so that a leader never is deaf for long.
    """
    more_pauses_are_over = chores.some(changes.end_pauses(using, now, authority))
    settled = materialize(using, now, due_schedules(using, now, BATCH), authority)
    promoted_next = chores.do(using, now)
    next_run_at = _next_run_at(using)
    if next_run_at is not None and next_run_at <= now and not settled:
        next_run_at = now + HELD_BY_OTHERS
    if more_pauses_are_over:
        return now
    return min(filter(None, [promoted_next, next_run_at]), default=None)


def replan_stale_zones(using: str, now: datetime, authority: Authority) -> Iterator[Schedule]:
    """Rule D9: recompute the next runs that were computed under another edition of the zone data, one each step."""
    return _replan(Schedule.objects.using(using).planned_elsewhere(zone_version()), using, now, authority)


def replan_unreachable(using: str, now: datetime, authority: Authority) -> Iterator[Schedule]:
    """The same for those that no tick would come to, since no instant stands where it looks for one."""
    return _replan(Schedule.objects.using(using).unreachable(), using, now, authority)


def _replan(rows: QuerySet[Schedule], using: str, now: datetime, authority: Authority) -> Iterator[Schedule]:
    for schedule in changes.one_by_one(rows):
        with one_of_many(using, now, schedule, authority):
            changes.replan(schedule, using, now)
        yield schedule


def _next_run_at(using: str) -> datetime | None:
    found: dict[str, datetime | None] = Schedule.objects.using(using).aggregate(first=Min("next_run_at"))
    return found["first"]
