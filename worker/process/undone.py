"""Atomic jobs whose success the database refused to record: their work is undone, and they run again.

So there is no outcome to keep. They are counted until they have run again, so that people see the refusal.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.clock import Monotonic
from worker.outcomes import Snoozed
from worker.values import Ended

TOLD_FOR = 30.0
"""Seconds after a job was to run again. It may have done so elsewhere."""
MOST = 1000
"""That are counted."""


class Undone:
    """As one worker knows them."""

    def __init__(self, clock: Monotonic) -> None:
        self._clock = clock
        self._until: dict[int, float] = {}
        self._why = ""

    def see(self, ended: Sequence[Ended]) -> None:
        """These runs are over."""
        for each in ended:
            self._until.pop(each.job.id, None)
            if each.undone_since and isinstance(each.outcome, Snoozed) and len(self._until) < MOST:
                self._until[each.job.id] = self._clock.monotonic() + each.outcome.delay + TOLD_FOR
                self._why = each.undone_since

    @property
    def count(self) -> int:
        now = self._clock.monotonic()
        self._until = {id: until for id, until in self._until.items() if until > now}
        return len(self._until)

    @property
    def why(self) -> str:
        """As the database said it last. Empty where there are none."""
        return self._why if self.count else ""
