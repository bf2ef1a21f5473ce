"""The upkeep of the queue: promote, rescue, prune. Guarded and idempotent, so any number of processes may do it.

The leader does it, and looks after schedules in the same way. Where none leads, a worker does
(`worker.process.deputy`). Both have to be in time with something else: a tick, a sign of life. So each chore is done a
portion at a time, and what has no room in this turn waits for the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime

from worker import queue, signals
from worker.clock import Monotonic
from worker.promotion import Promotion
from worker.refusals import is_refusal, said
from worker.rescue import Rescue

PRUNE_EVERY = 600.0
END_UNREACHABLE_EVERY = 60.0
LATEST_BEGIN = 0.025
"""Seconds of a turn after which no portion is begun. Each takes less than that, so a turn takes less than 50 ms."""

Portions = Iterator[object]
"""Each step does a portion of something, in transactions of its own."""


class Chore:
    """Done every so many seconds: `begin(using, now)` gives its portions."""

    def __init__(self, begin: Callable[[str, datetime], Portions], every: float, due_at: float) -> None:
        self.begin = begin
        self.every = every
        self.due_at = due_at
        self.trouble = ""
        """What the database said against it last, as long as it has not taken it back."""
        self._left: Portions | None = None

    def do_portion(self, using: str, now: datetime, moment: float) -> None:
        """Where more is left it stays due, and others that are due come first.

        One that the database refuses holds up nothing else, and is begun anew when it is due again.
        """
        self._left = self._left or self.begin(using, now)
        try:
            next(self._left)
        except StopIteration:
            self._end(moment)
            self.trouble = ""
        except Exception as error:
            if not is_refusal(error, using):
                raise
            self._end(moment)
            self.trouble = said(error)
            signals.chore_refused.send_robust(None, chore=self.name, error=error, retry_in=self.every)
        else:
            self.due_at = moment

    @property
    def name(self) -> str:
        return self.begin.__name__.strip("_").replace("_", " ")

    def _end(self, moment: float) -> None:
        self._left = None
        self.due_at = moment + self.every


class Chores:
    """Does each chore when its time has come."""

    def __init__(self, clock: Monotonic = time) -> None:
        self.rescue = Rescue(clock)
        self._clock = clock
        self.promotion = Promotion(clock)
        now = clock.monotonic()
        self._chores = [
            Chore(queue.Retention().prune, PRUNE_EVERY, now),
            Chore(_end_unreachable, END_UNREACHABLE_EVERY, now),
        ]

    def add(self, begin: Callable[[str, datetime], Portions], every: float) -> None:
        """To be done as well, now and every so many seconds; `begin(using, now)` gives its portions."""
        self._chores.append(Chore(begin, every, self._clock.monotonic()))

    def do(self, using: str, now: datetime) -> datetime | None:
        """Promote what is due by `now`, and keep. Returns when to promote next: at once, where more is due.

        None also where the database refuses it for now.
        """
        began = self._clock.monotonic()
        more_is_due = self.promotion.do_portion(using, now)
        self.keep(using, now, began)
        while more_is_due and self._is_early(began):
            more_is_due = self.promotion.do_portion(using, now)
        return now if more_is_due else self.promotion.next_at(using, now)

    def keep(self, using: str, now: datetime, began: float | None = None) -> None:
        """Of what is due, the rescue too, do what has room in this turn, which began then; a portion at least.

        What has been due for longest comes first, in the next turn as well.
        """
        began = self._clock.monotonic() if began is None else began
        while self.wanted_at <= (moment := self._clock.monotonic()):
            chore = self._next()
            if self.rescue.look_at <= chore.due_at:
                self.rescue.look(using)
            else:
                chore.do_portion(using, now, moment)
            if not self._is_early(began):
                break

    def some(self, portions: Portions) -> bool:
        """Do what has room in this turn. Returns whether more may be left."""
        began = self._clock.monotonic()
        return any(not self._is_early(began) for _ in portions)

    @property
    def wanted_at(self) -> float:
        """When there is something to be kept again, by the monotonic clock."""
        return min(self.rescue.look_at, self._next().due_at)

    @property
    def refused(self) -> str:
        """What the database refuses of it, wholly or for some rows, and why: a chore a line."""
        troubles = {"promote": self.promotion.trouble, "rescue": self.rescue.trouble}
        troubles |= {chore.name: chore.trouble for chore in self._chores}
        return "\n".join(f"{name}: {trouble}" for name, trouble in troubles.items() if trouble)

    def _next(self) -> Chore:
        return min(self._chores, key=lambda chore: chore.due_at)

    def _is_early(self, began: float) -> bool:
        return self._clock.monotonic() - began < LATEST_BEGIN


def _end_unreachable(using: str, _: datetime) -> Portions:
    return queue.end_unreachable(using)
