"""Whose turn has come: the first job of a lane, if it waits there.

A lane is looked at when one of its jobs has ended (`let_in`). In addition, all lanes in which jobs wait are looked at
in turn, some each time (`Round`). That finds jobs whose time comes later, and lanes that no worker looked at. The cost
is the same, however many jobs wait.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial

from django.db import connections

from worker import wakeup
from worker.dialects import dialect_of
from worker.models import Job, JobState
from worker.refusals import Refused, by_halves

MOST_LANES = 250
"""That are looked at together, in some milliseconds."""


def let_in(using: str, lanes: Collection[str], now: datetime) -> int:
    """Make ready whoever is first in these lanes, waits there, and was to run by `now`. Returns how many that were."""
    connection = connections[using]
    if not lanes or not dialect_of(connection).lanes.lanes_in_line(connection, beyond="", limit=1):
        return 0
    return _let_in(using, sorted(lanes), now, {})


class Round:
    """A look at all lanes in which jobs wait, some at each step, again and again; a few are all looked at each time."""

    def __init__(self) -> None:
        self._beyond = ""

    def let_in(self, using: str, now: datetime, refused: Refused | None = None) -> int:
        """The same for the next `MOST_LANES` of them. `refused`: jobs that are passed over. Others are added to it."""
        connection = connections[using]
        look = partial(dialect_of(connection).lanes.lanes_in_line, connection)
        next_ones = look(beyond=self._beyond, limit=MOST_LANES)
        room = MOST_LANES - len(next_ones)
        first_ones = look(beyond="", limit=room) if self._beyond and room else []
        self._beyond = (next_ones or first_ones or [""])[-1]
        return _let_in(using, list(dict.fromkeys(next_ones + first_ones)), now, {} if refused is None else refused)


def _let_in(using: str, lanes: Sequence[str], now: datetime, refused: Refused) -> int:
    connection = connections[using]
    first = dialect_of(connection).lanes.first_of_lanes(connection, lanes, now) if lanes else []
    let_in = sum(by_halves([id for id in first if id not in refused], partial(_make_ready, using), using, refused))
    if let_in:
        wakeup.announce({wakeup.READY}, using)
    return let_in


def _make_ready(using: str, ids: Sequence[int]) -> int:
    return Job.objects.using(using).filter(pk__in=ids, state=JobState.WAITING).update(state=JobState.READY)
