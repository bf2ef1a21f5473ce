"""How many jobs to hold: few while they are slow, many while they fly. It counts what ends, and knows no queue."""

from __future__ import annotations

import math
import time

LOOKAHEAD = 0.1
"""Seconds of work, at the present pace, that are claimed ahead of the slots."""


class Pace:
    """Jobs a second of late. Begin a new one after a time without work, which tells nothing of the work to come."""

    def __init__(self) -> None:
        self.rate = 0.0
        self.counted_at = self.begun_at = time.monotonic()

    def count(self, ended: int) -> None:
        now = time.monotonic()
        elapsed = max(now - self.counted_at, 1e-6)
        self.counted_at = now
        share_of_all = elapsed / max(now - self.begun_at, elapsed)  # the first count is all that is known
        weight = max(share_of_all, 1 - math.exp(-elapsed / LOOKAHEAD))
        self.rate += weight * (ended / elapsed - self.rate)

    def appetite(self, slots: int, most: int) -> int:
        """How many jobs to hold: one a slot, and what the slots will end within `LOOKAHEAD`."""
        return max(slots, min(most, slots + int(self.rate * LOOKAHEAD)))
