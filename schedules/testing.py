"""For tests: a clock that moves when it is told to. Nothing here is used outside tests."""

from __future__ import annotations

from datetime import datetime, timedelta


class ManualClock:
    """Stands still until a test moves it: the time of day, an aware instant, and seconds that no one can set."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Time goes on."""
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds

    def set(self, now: datetime) -> None:
        """Somebody sets the time of day, forward or back. No time passes."""
        self._now = now
