"""What the columns of a schedule say, as values: a recurrence and policies. Pure: no Django, no clock.

Schedules whose columns say the same share the values, which cost more to make than to use.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Any

from schedules.planning.policies import Policies
from schedules.recurrence import Recurrence, recurrence_of

KINDS = ("cron", "repeat", "run_at")
"""A schedule has one of them."""
RECURRENCE = (*KINDS, "timezone", "dst_gap", "dst_overlap")
"""What somebody may say of when a schedule runs. Its name and its anchor have a part in it, too."""
TIMING = (*RECURRENCE, "anchor")
"""A change of one of them is a change of when it runs."""


class Terms:
    """For whatever has a schedule's columns as its attributes: the row itself, and what a tick reads of it."""

    __slots__ = ()

    @property
    def recurrence(self: Any) -> Recurrence:
        """Raises InvalidRecurrence."""
        return recurrence_of(
            cron=self.cron,
            repeat=self.repeat,
            run_at=self.run_at,
            timezone=self.timezone,
            anchor=self.anchor,
            name=self.name,
            dst_gap=self.dst_gap,
            dst_overlap=self.dst_overlap,
        )

    @property
    def policies(self: Any) -> Policies:
        """Raises InvalidPolicy."""
        return _policies(
            self.starts_at,
            self.repeat_until,
            self.max_runs,
            self.exclude,
            self.catch_up,
            self.catch_up_window,
            self.max_catch_up,
            self.late_after,
            self.start_deadline,
            self.overlap,
            self.jitter,
            self.retry_past_next,
        )


@lru_cache(maxsize=4096, typed=True)
def _policies(
    starts_at: datetime | None,
    repeat_until: datetime | None,
    max_runs: int | None,
    exclude: str,
    *others: Any,
) -> Policies:
    return Policies(
        starts_at, repeat_until, max_runs, tuple(date.fromisoformat(day) for day in exclude.split()), *others
    )
