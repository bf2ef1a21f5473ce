"""Clocks for tests, besides the one that `schedules.testing` gives to everybody."""

from __future__ import annotations

from schedules.testing import ManualClock
from tests.schedules.recurrence.moments import at


class PassingClock(ManualClock):
    """It is 10:00, and each look at how much time has passed takes so many seconds."""

    def __init__(self, step: float) -> None:
        super().__init__(at("10:00"))
        self.step = step

    def monotonic(self) -> float:
        self.advance(self.step)
        return super().monotonic()
