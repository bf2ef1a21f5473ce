"""The graceful shutdown of a worker: how often it was told to stop, how long running jobs have, and when it is over."""

from __future__ import annotations

import math


class Ending:
    """Seconds are those of a monotonic clock. `when_idle`: it ends by itself when there is nothing to do."""

    def __init__(self, *, when_idle: bool = False) -> None:
        self.when_idle = when_idle
        self.stops = 0
        self.give_back_at = math.inf

    def stop(self) -> None:
        """First call: what runs is finished, within its grace. Second: it is given back now. From any thread."""
        self.stops += 1

    def begin_grace(self, now: float, grace: float) -> bool:
        """From now on, what runs has so many seconds. False: they have begun before."""
        if self.give_back_at < math.inf:
            return False
        self.give_back_at = now + grace
        return True

    def is_over(self, now: float, *, holds: bool) -> bool:
        """`holds`: jobs that run, or whose outcomes are to be recorded, are what it waits for."""
        return self.stops > 0 and (not holds or self.stops > 1 or now >= self.give_back_at)
