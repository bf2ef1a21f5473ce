"""The promotion of what is due, a portion at a time: a job that the database refuses to change holds up no other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from worker import queue, signals
from worker.clock import Monotonic
from worker.refusals import SetAside, is_refusal, said, told

HELD_BY_OTHERS = timedelta(seconds=0.05)
"""How long to wait where all that is due is being changed by somebody else."""
AGAIN_AFTER = 5.0
"""Seconds, where the database lets nothing be promoted."""
MOST_SET_ASIDE = 100
"""Jobs. Where there are more, no others are looked for by halves."""


class Promotion:
    """By one process, in one session with the database."""

    def __init__(self, clock: Monotonic) -> None:
        self.trouble = ""
        """What the database said against it last, as long as it has not taken it back."""
        self._clock = clock
        self._turns = queue.Round()
        self._aside = SetAside(clock)
        self._told = 0
        """How many of those set aside are told."""
        self._halves: Iterator[int] | None = None
        """What was refused together is done by halves, a piece at a time."""
        self._aside_before: int | None = None
        """How many were set aside before that was done. None: nothing was refused together since the last success."""
        self._again_at = -math.inf
        self._promoted = 0

    @property
    def is_refused(self) -> bool:
        """Whether the database let nothing be promoted, the last time."""
        return self._again_at > -math.inf

    def do_portion(self, using: str, now: datetime) -> bool:
        """Returns whether more may be due."""
        if self._clock.monotonic() < self._again_at:
            return False
        try:
            return self._do_piece() if self._halves else self._do_all(using, now)
        except Exception as error:
            if not is_refusal(error, using):
                raise
            return self._goes_on_by_halves(using, now, error)

    def next_at(self, using: str, now: datetime) -> datetime | None:
        """When to promote next, where nothing more was due. None also where the database refuses it for now."""
        if self.is_refused:
            return None
        due = queue.next_run_at(using, self._aside.rows)
        return now + HELD_BY_OTHERS if due is not None and due <= now and not self._promoted else due

    def _do_all(self, using: str, now: datetime) -> bool:
        self._promoted = queue.promote(using, now, queue.MOST_PROMOTED, self._turns, self._aside.rows)
        self._aside.end()
        self._aside_before, self._again_at = None, -math.inf
        self._tell_of_those_set_aside()
        if again := self._aside.begin():
            self._told = 0
            self._halves = queue.promote_again(using, again, self._aside.rows)
        return self._promoted >= queue.MOST_PROMOTED or bool(again)

    def _do_piece(self) -> bool:
        if self._halves and next(self._halves, None) is None:
            self._halves = None
        return True

    def _goes_on_by_halves(self, using: str, now: datetime, error: Exception) -> bool:
        """Not where that was in vain, or where so many are set aside: it is not about single jobs."""
        was_in_vain = self._aside_before is not None and self._aside_before == len(self._aside.rows)
        if self._halves or was_in_vain or len(self._aside.rows) >= MOST_SET_ASIDE:
            self._put_off(error)
            return False
        self._aside_before = len(self._aside.rows)
        self._halves = queue.promote_by_halves(using, now, queue.MOST_PROMOTED, self._aside.rows)
        return True

    def _put_off(self, error: Exception) -> None:
        self._halves = self._aside_before = None
        self._aside.end()
        self._again_at = self._clock.monotonic() + AGAIN_AFTER
        self._tell(error, AGAIN_AFTER)

    def _tell_of_those_set_aside(self) -> None:
        if not self._aside.rows:
            self.trouble = ""
        elif len(self._aside.rows) != self._told:
            self._tell(told("job", self._aside.rows), self._aside.retry_in)
        self._told = len(self._aside.rows)

    def _tell(self, error: Exception, retry_in: float) -> None:
        self.trouble = said(error)
        signals.chore_refused.send_robust(None, chore="promote", error=error, retry_in=retry_in)
