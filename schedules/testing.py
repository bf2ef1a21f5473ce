"""For tests: declarations that are forgotten, and a clock that moves when it is told to. Nothing else uses it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from worker import registry

__all__ = ["ManualClock", "isolated_registry"]


def isolated_registry(*, empty: bool = False) -> AbstractContextManager[None]:
    """Forget afterwards the tasks and schedules that are declared within. It holds for all threads of the process.

    empty: know nothing meanwhile of what was declared before. A module that is first imported within declares nothing
    once it is over, since Python does not run it again.
    """
    return registry.isolated(empty=empty)


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
