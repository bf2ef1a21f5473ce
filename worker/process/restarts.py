"""When a process that has ended is replaced: at once, or after growing pauses if it ends soon after its start."""

from __future__ import annotations

from worker.patience import Patience

SHORTEST, LONGEST = 1.0, 30.0
"""Seconds from the start of a process to that of its successor, at the least. They double each time."""


class Restarts:
    """In one place of a supervisor."""

    def __init__(self) -> None:
        self._patience = Patience(LONGEST, SHORTEST)

    def after(self, lived: float) -> float:
        """Seconds from its start to that of its successor. One that has lived for longer than the longest is well."""
        if lived > LONGEST:
            self._patience.reset()
        return self._patience.next()
