"""The deputy: a worker that promotes, rescues and prunes while no process leads.

It decides when a leader counts as missing, and which chores are due then. Schedules still wait for a leader.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from datetime import datetime

from worker import signals
from worker.chores import Chores
from worker.clock import Monotonic
from worker.options import options
from worker.vigil import Vigil

LEADER_MISSED_AFTER = 10.0
"""Seconds without a sign of life, or two heartbeats where they are further apart."""
LOOK_FOR_LEADER_EVERY = 2.0
"""Seconds, and at least twice in a heartbeat: where none is seen, the dead are looked for as often."""
ACT_EVERY = 0.05
"""Seconds between two looks of a busy worker for delayed jobs, where none is known to be due."""
LEADER = "the leader"
SEEN = object()


class Deputy:
    """Does the chores when no leader was seen for ten seconds, and says so once.

    `leader_sign(using)`: the last sign of life of any leader; each differs from the one before it. `at_once`: do not
    wait to see one, for this process will not stay long.
    """

    def __init__(self, leader_sign: Callable[[str], Hashable], clock: Monotonic, *, at_once: bool) -> None:
        self.leader_sign = leader_sign
        self.clock = clock
        self.at_once = at_once
        self.due: datetime | None = None
        self.acting = self.warned = at_once
        self.missed_sign: Hashable = SEEN
        """The last sign of the leader that was missed, as long as no other is seen; `SEEN`: none was missed."""
        self.begin_session()

    def begin_session(self) -> None:
        """The worker has come to the database, for the first time or again: what it saw before counts for nothing."""
        self.chores = Chores(self.clock)
        self.vigil: Vigil[str, Hashable] = Vigil(max(LEADER_MISSED_AFTER, 2 * options().HEARTBEAT))
        self.look_at = self.act_at = self.clock.monotonic()

    def do(self, using: str, now: datetime) -> datetime | None:
        """Returns when the next job is to be promoted, if that is up to this worker."""
        if self.clock.monotonic() >= self.look_at and not self.at_once:
            self._look_for_leader(using)
        if not self.acting:
            return None
        if self._is_time(now):
            self.due = self.chores.do(using, now)
            self.act_at = self.clock.monotonic() + ACT_EVERY
        return self.due

    def is_about_to_act(self, now: datetime) -> bool:
        """Whether what is ready would wait for chores. Who does not stay for long does these first in any case."""
        return self.acting and not self.at_once and self._is_time(now)

    def _is_time(self, now: datetime) -> bool:
        return self.clock.monotonic() >= self.act_at or (self.due is not None and self.due <= now)

    @property
    def has_more_to_do(self) -> bool:
        """Whether a process that will not stay for long should stay, for chores of which something is left."""
        return self.at_once and (self.chores.promotion.is_refused or self.chores.wanted_at <= self.clock.monotonic())

    @property
    def chores_refused(self) -> str:
        """What the database refuses of them, and why: a chore a line."""
        return self.chores.refused if self.acting else ""

    def is_undecided(self, using: str) -> bool:
        """Whether a process that will not stay for long should stay, to learn who is dead and take what they held."""
        return self.at_once and self.chores.rescue.is_undecided(using)

    @property
    def wanted_at(self) -> float:
        """When there is something to look at again, by the monotonic clock."""
        leader_at = math.inf if self.at_once else self.look_at
        return min(leader_at, max(self.act_at, self.chores.wanted_at) if self.acting else math.inf)

    def _look_for_leader(self, using: str) -> None:
        """When none gives signs of life, the dead are looked for as well: whoever died with it is not found later."""
        began = self.clock.monotonic()
        sign = self.leader_sign(using)
        self.vigil.look({LEADER: sign}, began=began, ended=self.clock.monotonic())
        self.look_at = self.clock.monotonic() + min(LOOK_FOR_LEADER_EVERY, options().HEARTBEAT / 2)
        if self.vigil.silent():
            self.missed_sign = sign
        self.acting = sign == self.missed_sign
        if self.acting and not self.warned:
            signals.leader_missing.send_robust(None, seconds=self.vigil.patience)
        self.warned = self.acting
        if self.vigil.silent(options().HEARTBEAT):
            self.chores.rescue.look(using)
