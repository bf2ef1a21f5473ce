"""Names of schedules: the id behind one, and the names behind ids."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from schedules.models import Schedule
from schedules.overview.listing import with_whole_names
from schedules.overview.scope import Scope
from schedules.overview.selection import Selection, UnknownName
from worker.dialects.portions import portions
from worker.messages.echo import quoted

AT_A_TIME = 500


def id_of(name: str, using: str, now: datetime) -> int:
    """Of the schedule of that name, or of which it is the last part. Raises UnknownName."""
    (whole,) = with_whole_names(Scope(using, now, Selection(names=(name,)))).selection.names
    id = Schedule.objects.using(using).named(whole).values_list("pk", flat=True).first()
    if id is None:
        raise UnknownName(f"The schedule {quoted(whole)} is declared, and not yet in the database.")
    return id


def names_of(ids: Collection[int], using: str) -> dict[int, str]:
    """Of those that are still there."""
    found: dict[int, str] = {}
    for some in portions(sorted(ids), AT_A_TIME):
        found |= dict(Schedule.objects.using(using).filter(pk__in=some).values_list("pk", "name"))
    return found
