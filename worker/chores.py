"""What keeps the queue moving: promote, rescue, prune. Guarded and idempotent, so any number of processes may do it.

The leader does it. Where none leads, a worker is the deputy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from worker import queue, signals
from worker.options import options

FIRST_OF_MANY = 500
"""Jobs that are promoted at first, so that workers begin with them while the others follow."""
PRUNE_EVERY = 600.0
LEADER_MISSED_AFTER = 10.0
LOOK_FOR_LEADER_EVERY = 2.0
"""Seconds between two looks, once it may be missed."""
HELD_BY_OTHERS = timedelta(seconds=0.05)
"""How long to wait where all that is due is being changed by somebody else."""
ACT_EVERY = 0.05
"""Seconds between two looks of a busy worker for delayed jobs, where none is known to be due."""


class Chores:
    """Does each chore when its time has come.

    Whoever has just come to the database cannot tell the dead from those who were kept from it as well: so everybody
    has two heartbeats to show up, before anything is taken from them. `at_once`: this process will not stay so long.
    """

    def __init__(self, *, at_once: bool = False) -> None:
        self._prune_at = time.monotonic()
        self._rescue_at = self._prune_at + (0 if at_once else 2 * options().HEARTBEAT)
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
        moment = time.monotonic()
        if moment >= self._rescue_at:
            self._rescue_at = moment + options().HEARTBEAT / 2
            queue.rescue(using, options().RESCUE_AFTER)
        if moment >= self._prune_at:
            self._prune_at = moment + PRUNE_EVERY
            queue.prune(using, now - options().KEEP_FINISHED)


class Deputy:
    """Does the chores when no leader was seen for ten seconds, and says so once.

    `leader_silence(using)` gives the seconds since a leader gave a sign of life. `at_once`: do not wait to see.
    """

    def __init__(self, leader_silence: Callable[[str], float], at_once: bool) -> None:
        self.leader_silence = leader_silence
        self.at_once = at_once
        self.begin_session()
        self.began_at = time.monotonic()
        self.look_at = self.began_at
        self.act_at = self.began_at
        self.due: datetime | None = None
        self.acting = self.warned = at_once

    def begin_session(self) -> None:
        """The worker has come to the database, for the first time or again."""
        self.chores = Chores(at_once=self.at_once)

    def do(self, using: str, now: datetime) -> datetime | None:
        """Returns when the next job is to be promoted, if that is up to this worker."""
        if time.monotonic() >= self.look_at and not self.at_once:
            self.acting = self._leader_is_missed(using)
        if not self.acting:
            return None
        if time.monotonic() >= self.act_at or (self.due is not None and self.due <= now):
            self.due = self.chores.do(using, now)
            self.act_at = time.monotonic() + ACT_EVERY
        return self.due

    def _leader_is_missed(self, using: str) -> bool:
        silence = min(self.leader_silence(using), time.monotonic() - self.began_at)
        self.look_at = time.monotonic() + max(LOOK_FOR_LEADER_EVERY, LEADER_MISSED_AFTER - silence)
        missed = silence > LEADER_MISSED_AFTER
        if missed and not self.warned:
            signals.leader_missing.send_robust(None, seconds=silence)
        self.warned = missed
        return missed
