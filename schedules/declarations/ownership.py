"""Give a schedule back to the code or settings that declare its name."""

from __future__ import annotations

from datetime import datetime

from schedules import changes
from schedules.declarations.sync import declared
from schedules.models import Schedule
from schedules.spec import InvalidSchedule, Spec


def is_declared_here(schedule: Schedule) -> bool:
    """Whether code or settings of this process declare a schedule of its name."""
    return _declaration_of(schedule) is not None


def give_back(schedule: Schedule, using: str, now: datetime) -> Schedule:
    """Let the code have the schedule again, as it is declared in this process.

    Raises InvalidSchedule where nothing here declares it, or where it belongs to the code already.
    """
    spec = _declaration_of(schedule)
    if spec is None:
        raise InvalidSchedule(
            f"{schedule.name}: neither code nor settings declare a schedule of that name here, so there is nobody to "
            "give it back to."
        )
    return changes.give_back(schedule, spec, using, now)


def _declaration_of(schedule: Schedule) -> Spec | None:
    return next((spec for spec in declared() if spec.identity == schedule.identity), None)
