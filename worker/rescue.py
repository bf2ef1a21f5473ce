"""Rescue: find dead workers by watching their signs of life, delete their rows, and give their jobs to others.

The watcher distrusts itself. It looks twice in a heartbeat, and forgets what it saw if a look, or the pause before one,
took longer than it should (`worker.vigil`). When a worker has been silent for half of `RESCUE_AFTER`, each look also
writes to its row. So whatever delays signs of life (a lock on the table or the server, a server or a disk that stands
still) delays that look too. If the deletion of a worker's row had to wait, it is undone.
"""

from __future__ import annotations

import time

from django.db import transaction

from worker import queue, roster, signals
from worker.clock import Monotonic, database_now
from worker.options import options
from worker.refusals import SetAside, is_refusal, said, told
from worker.vigil import LONGEST_LOOK, Vigil

DOUBTED_AFTER = 1 / 2
"""Of the patience."""
MOST_JOBS = 500
"""That are rescued in one turn; the others in the next, so that nothing is held up by them."""


class Rescue:
    """By one process, in one session with the database."""

    def __init__(self, clock: Monotonic = time) -> None:
        self.look_at = clock.monotonic()
        """When the next look is due."""
        self._clock = clock
        self._vigil: Vigil[int, str] = Vigil(options().RESCUE_AFTER)
        self._aside = SetAside(clock)
        self._refused_at_all = ""
        self._knows_at = self._knows_after(self.look_at)

    def look(self, using: str) -> int:
        """Give to others what the dead held, if it is time to look. Returns how many jobs that were."""
        if self._clock.monotonic() < self.look_at:
            return 0
        rescued = 0
        try:
            self._watch(using)
            self._bury(using)
            rescued = self._rescue(using)
            self._refused_at_all = ""
        except BaseException as error:
            self._vigil.begin_anew()
            if not is_refusal(error, using):
                raise
            self._refused_at_all = said(error)
            again = options().HEARTBEAT / 2
            signals.chore_refused.send_robust(None, chore="rescue", error=error, retry_in=again)
        self.look_at = self._clock.monotonic() + (options().HEARTBEAT / 2 if rescued < MOST_JOBS else 0)
        return rescued

    @property
    def trouble(self) -> str:
        """What the database said against it last, as long as it has not taken it back."""
        return self._refused_at_all or (said(told("job", self._aside.rows)) if self._aside.rows else "")

    def is_undecided(self, using: str) -> bool:
        """Whether somebody may be dead, and this process, not having watched for long, cannot say yet."""
        if self._clock.monotonic() >= self._knows_at:
            return False
        return roster.seem_silent(using, database_now(using), self._vigil.patience).exists()

    def _knows_after(self, began: float) -> float:
        """When a watch that began then has seen who is dead, or never will: their rows are locked, or it is refused."""
        return began + self._vigil.patience + options().HEARTBEAT

    def _rescue(self, using: str) -> int:
        self._aside.begin()
        rescued = queue.rescue(using, MOST_JOBS, self._aside.rows)
        self._aside.end()
        return rescued

    def _watch(self, using: str) -> None:
        began = self._clock.monotonic()
        doubted = self._vigil.silent(DOUBTED_AFTER * self._vigil.patience, at=began)
        hindered = doubted.keys() - roster.touch(using, doubted)
        signs = {id: sign for id, sign in roster.signs(using).items() if id not in hindered}
        ended = self._clock.monotonic()
        if not self._vigil.look(signs, began=began, ended=ended):
            self._knows_at = self._knows_after(ended)

    def _bury(self, using: str) -> None:
        if not (dead := self._vigil.silent()):
            return
        began = self._clock.monotonic()
        with transaction.atomic(using=using):
            roster.strike_off(using, dead)
            if self._clock.monotonic() - began > LONGEST_LOOK * self._vigil.patience:
                transaction.set_rollback(True, using=using)
                self._vigil.begin_anew()
