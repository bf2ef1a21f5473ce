"""The standby for a missing leader: a worker that keeps delayed jobs moving while nobody leads.

It decides when a leader is missed, and what of the chores is due then. Schedules wait for a leader all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from worker import signals
from worker.chores import Chores
from worker.clock import Monotonic

LEADER_MISSED_AFTER = 10.0
LOOK_FOR_LEADER_EVERY = 2.0
"""Seconds between two looks, once it may be missed."""
ACT_EVERY = 0.05
"""Seconds between two looks of a busy worker for delayed jobs, where none is known to be due."""


class Deputy:
    """Does the chores when no leader was seen for ten seconds, and says so once.

    `leader_silence(using)` gives the seconds since a leader gave a sign of life. `at_once`: do not wait to see.
    """

    def __init__(self, leader_silence: Callable[[str], float], clock: Monotonic, *, at_once: bool) -> None:
        self.leader_silence = leader_silence
        self.clock = clock
        self.at_once = at_once
        self.begin_session()
        self.began_at = self.clock.monotonic()
        self.look_at = self.began_at
        self.act_at = self.began_at
        self.due: datetime | None = None
        self.acting = self.warned = at_once

    def begin_session(self) -> None:
        """The worker has come to the database, for the first time or again."""
        self.chores = Chores(self.clock, at_once=self.at_once)

    def do(self, using: str, now: datetime) -> datetime | None:
        """Returns when the next job is to be promoted, if that is up to this worker."""
        if self.clock.monotonic() >= self.look_at and not self.at_once:
            self.acting = self._leader_is_missed(using)
        if not self.acting:
            return None
        if self.clock.monotonic() >= self.act_at or (self.due is not None and self.due <= now):
            self.due = self.chores.do(using, now)
            self.act_at = self.clock.monotonic() + ACT_EVERY
        return self.due

    def _leader_is_missed(self, using: str) -> bool:
        silence = min(self.leader_silence(using), self.clock.monotonic() - self.began_at)
        self.look_at = self.clock.monotonic() + max(LOOK_FOR_LEADER_EVERY, LEADER_MISSED_AFTER - silence)
        missed = silence > LEADER_MISSED_AFTER
        if missed and not self.warned:
            signals.leader_missing.send_robust(None, seconds=silence)
        self.warned = missed
        return missed
