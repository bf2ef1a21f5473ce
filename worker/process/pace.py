"""The size of the prefetch: few jobs while they are slow, many while they are quick. It counts jobs that end, and knows
no queue.
"""

from __future__ import annotations

import math

from worker.clock import Monotonic

LOOKAHEAD = 0.2
"""Seconds of work, at the present pace, that are claimed ahead of the slots.

To claim, and to record what has ended, costs the processors 2 ms however little that is, and takes some 20 ms where the
slots compute. More ahead would be fewer of these, and a longer wait behind slow jobs for what other workers could run.
"""
OF_LATE = 0.1
"""Seconds after which what was counts for little, beside what is."""


class Pace:
    """Jobs a second of late."""

    def __init__(self, clock: Monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """What was says nothing of what will be."""
        self.rate = 0.0
        self.counted_at = self.begun_at = self._clock.monotonic()

    def count(self, ended: int, held: int) -> None:
        """So many jobs ended since the last call, of those that were `held`. Time without any tells nothing."""
        if not held:
            self.forget()
            return
        now = self._clock.monotonic()
        elapsed = max(now - self.counted_at, 1e-6)
        self.counted_at = now
        share_of_all = elapsed / max(now - self.begun_at, elapsed)  # the first count is all that is known
        weight = max(share_of_all, 1 - math.exp(-elapsed / OF_LATE))
        self.rate += weight * (ended / elapsed - self.rate)

    def room(self, held: int, slots: int, most: int) -> int:
        """How many jobs to take to those that are `held`, for so many slots; `most`: to hold at once.

        All in all one a slot, and what the slots will end within `LOOKAHEAD`. None, as long as more than half of what
        waits for a slot is still there: so the slots run one half while the other is recorded and replaced.
        """
        appetite = max(slots, min(most, slots + int(self.rate * LOOKAHEAD)))
        room = appetite - held
        return room if 2 * room >= appetite - slots else 0
