"""The columns of a schedule as values: a recurrence and policies. Pure: no Django, no clock.

Schedules with equal columns share the values, because these cost more to make than to use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any

from schedules.planning.policies import Policies
from schedules.recurrence import Recurrence, recurrence_of

KINDS = ("cron", "repeat", "run_at")
"""A schedule has one of them."""
RECURRENCE = (*KINDS, "timezone", "dst_gap", "dst_overlap")
"""What somebody may say of when a schedule runs. Its name and its anchor have a part in it, too."""
TIMING = (*RECURRENCE, "anchor")
"""A change of one of them is a change of when it runs."""


POLICIES = tuple(field.name for field in fields(Policies))
"""Each policy has a column of its own name."""


class Columns:
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
            name=self.drawn_from,
            dst_gap=self.dst_gap,
            dst_overlap=self.dst_overlap,
        )

    @property
    def former_names(self: Any) -> list[str]:
        """The first one first."""
        return self.formerly.split("\n") if self.formerly else []

    @property
    def drawn_from(self: Any) -> str:
        """The name from which `H` and jitter are drawn: its first, so that another name moves no run."""
        name: str = self.formerly.partition("\n")[0] or self.name
        return name

    @property
    def policies(self) -> Policies:
        """Raises InvalidPolicy."""
        return _policies_of(*_values_of(self))


@lru_cache(maxsize=4096)
def columns_of(policies: Policies) -> Mapping[str, Any]:
    """The other way: the columns that say the same."""
    columns = {name: getattr(policies, name) for name in POLICIES}
    return {**columns, "exclude": " ".join(day.isoformat() for day in policies.exclude)}


_values_of = attrgetter(*POLICIES)


@lru_cache(maxsize=4096, typed=True)
def _policies_of(*values: Any) -> Policies:
    """Of the values of `POLICIES`, in that order."""
    given = dict(zip(POLICIES, values, strict=True))
    return Policies(**{**given, "exclude": tuple(date.fromisoformat(day) for day in given["exclude"].split())})
