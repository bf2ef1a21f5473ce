"""The upkeep of the queue: promote, rescue, prune. Guarded and idempotent, so any number of processes may do it.

The leader does it. Where none leads, a worker does (`worker.process.deputy`).
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from worker import queue
from worker.clock import Monotonic
from worker.options import options
from worker.rescue import Rescue

FIRST_OF_MANY = 500
"""Jobs that are promoted at first, so that workers begin with them while the others follow."""
PRUNE_EVERY = 600.0
HELD_BY_OTHERS = timedelta(seconds=0.05)
"""How long to wait where all that is due is being changed by somebody else."""


class Chores:
    """Does each chore when its time has come."""

    def __init__(self, clock: Monotonic = time) -> None:
        self.rescue = Rescue(clock)
        self._clock = clock
        self._prune_at = clock.monotonic()
        self._limit = FIRST_OF_MANY

    def do(self, using: str, now: datetime) -> datetime | None:
        """Promote what is due by `now`, and keep. Returns when to promote next: at once, where more is due."""
        promoted = queue.promote(using, now, self._limit)
        self.keep(using, now)
        more = promoted >= self._limit
        self._limit = queue.MOST_PROMOTED if more else FIRST_OF_MANY
        if more:
            return now
        due = queue.next_run_at(using)
        if due is not None and due <= now and not promoted:
            return now + HELD_BY_OTHERS
        return due

    def keep(self, using: str, now: datetime) -> None:
        """Rescue and prune, now and then."""
        self.rescue.look(using)
        moment = self._clock.monotonic()
        if moment >= self._prune_at:
            self._prune_at = moment + PRUNE_EVERY
            queue.prune(using, now - options().KEEP_FINISHED)
