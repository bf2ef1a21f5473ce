"""Backoff: how long to wait before asking or trying again; longer each time that it failed. Pure: no clock."""

from __future__ import annotations

import math


class Patience:
    """How long to wait before asking again: briefly after something happened, longer while nothing does."""

    SHORTEST = 0.02

    def __init__(self, longest: float, shortest: float = SHORTEST) -> None:
        self.longest = longest
        self.shortest = min(shortest, longest)
        self.reset()

    def reset(self) -> None:
        self.seconds = self.shortest

    def next(self) -> float:
        seconds = self.seconds
        self.seconds = min(self.longest, 2 * seconds)
        return seconds


class Tries:
    """How long to wait after something failed, before it is tried again.

    Nothing that goes well in between makes that brief again: what fails is often not the first thing that is done. Only
    time does, in which nothing failed for longer than the longest wait.
    """

    def __init__(self, longest: float, shortest: float = Patience.SHORTEST) -> None:
        self._patience = Patience(longest, shortest)
        self._tried_at = -math.inf

    def failed(self, now: float) -> float:
        """Seconds to wait. `now`: by a monotonic clock."""
        if now - self._tried_at > self._patience.longest:
            self._patience.reset()
        delay = self._patience.next()
        self._tried_at = now + delay
        return delay
