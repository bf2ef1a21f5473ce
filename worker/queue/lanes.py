"""Which jobs are in a lane, and which leave it. `turns` decides whose turn it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import connections

from worker.dialects import dialect_of
from worker.models import Job, JobState
from worker.queue.by_hand import UNSTARTED
from worker.values import Unfinished


def unfinished_of(lanes: Sequence[str], using: str) -> dict[str, set[Unfinished]]:
    """The unfinished jobs of those lanes, by lane."""
    connection = connections[using]
    found: dict[str, set[Unfinished]] = {}
    for lane, *what in dialect_of(connection).lanes.unfinished(connection, lanes):
        found.setdefault(lane, set()).add(Unfinished._make(what))
    return found


def hold_lane(lane: str, using: str) -> int:
    """Let none of those in who wait for their turn. What had its turn goes on. Returns how many are held."""
    return Job.objects.using(using).filter(lane=lane, state=JobState.WAITING).update(state=JobState.HELD)


def let_go_lane(lane: str, using: str) -> int:
    """Let them wait for their turn again. Returns how many that are."""
    return Job.objects.using(using).filter(lane=lane, state=JobState.HELD).update(state=JobState.WAITING)


def leave_lane(lane: str, stays: Callable[[Unfinished], bool], to: str, using: str) -> int:
    """Move the unstarted jobs of a lane that may not stay to another one. Returns how many."""
    unstarted = Job.objects.using(using).filter(lane=lane, state__in=UNSTARTED)
    rows = unstarted.values_list("pk", *Unfinished._fields)
    return unstarted.filter(pk__in=[pk for pk, *what in rows if not stays(Unfinished._make(what))]).update(lane=to)
