"""Schedules as SQL asks for them: by name, by what is due, and by status, as `Schedule.status` says it of one row."""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.lookups import GreaterThan

from schedules.models.choices import DECLARED, Source, Status
from worker.instants import FIRST, LAST, InstantField, LenientQuerySet

if TYPE_CHECKING:
    from schedules.models import Schedule  # noqa: F401

Instant = datetime | Combinable
"""Or an expression for one: the database's own clock."""

HIDING = re.compile(r" ~[0-9a-f]{16}\Z")
"""How the name of a schedule ends that hides arguments of its call."""


def identity_of(name: str) -> str:
    """Identifies a schedule: a digest of its name, because databases differ in which names they take for equal."""
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


class ScheduleQuerySet(LenientQuerySet["Schedule"]):
    def due(self, now: datetime) -> Self:
        return self.filter(next_run_at__lte=now).order_by("next_run_at")

    def named(self, *names: str) -> Self:
        """What the name of a call hides is part of what makes it the same, so such a name is compared itself."""
        same = Q(identity__in=[identity_of(name) for name in names])
        hiding = [name for name in names if HIDING.search(name)]
        return self.filter(same | Q(name__in=hiding, source=Source.CALL) if hiding else same)

    def planned_elsewhere(self, edition: str) -> Self:
        """Next runs that were computed under another edition of the zone data than this."""
        return self.filter(next_run_at__isnull=False).exclude(zone_version=edition)

    def declared(self) -> Self:
        return self.filter(source__in=DECLARED)

    def in_force(self) -> Self:
        """Neither ended nor retired."""
        return self.filter(_IN_FORCE)

    def planned(self) -> Self:
        """Those that have a next run."""
        return self.filter(_ACTIVE)

    def marked_broken(self) -> Self:
        """Those that could not be decided on: they have no next run, by which an index finds them."""
        return self.filter(_BROKEN, next_run_at=None)

    def unreachable(self) -> Self:
        """Those whose next run is not an instant, so that no tick finds them. An index has them."""
        return self.filter(_BEYOND_TIME, retired_at=None, broken="")

    def retired(self) -> Self:
        return self.filter(_RETIRED)

    def broken(self, now: Instant) -> Self:
        return self.filter(_BROKEN | _ahead(now))

    def paused(self) -> Self:
        return self.filter(_PAUSED)

    def ended(self) -> Self:
        return self.filter(_ENDED)

    def active(self, now: Instant) -> Self:
        return self.filter(_ACTIVE & ~_ahead(now))

    def ahead(self, now: Instant) -> Self:
        """See `Schedule.is_ahead`."""
        return self.filter(_ahead(now))

    def with_status(self, status: str, now: Instant) -> Self:
        """Those whose `status_at` that instant is this. Raises ValueError for a word that is no status."""
        match Status(status):
            case Status.RETIRED:
                return self.retired()
            case Status.BROKEN:
                return self.broken(now)
            case Status.PAUSED:
                return self.paused()
            case Status.ENDED:
                return self.ended()
            case Status.ACTIVE:
                return self.active(now)


# What `Schedule.status` and `is_ahead` say, asked of SQL

_RETIRED = Q(retired_at__isnull=False)
_BROKEN = ~_RETIRED & ~Q(broken="")
_PAUSED = ~_RETIRED & Q(broken="", paused_at__isnull=False)
_ACTIVE = ~_RETIRED & Q(broken="", paused_at=None, next_run_at__isnull=False)
_IN_FORCE = ~_RETIRED & (Q(next_run_at__isnull=False) | Q(paused_at__isnull=False) | ~Q(broken=""))
_ENDED = ~_RETIRED & Q(broken="", paused_at=None, next_run_at=None)
_BEYOND_TIME = (
    Q(next_run_at__gte=LAST) | Q(paused_until__gte=LAST) | Q(settled_until__gte=LAST) | Q(settled_until__lte=FIRST)
)


def _ahead(now: Instant) -> Q:
    has_begun = Q(anchor=None) | Q(anchor__lte=F("settled_until"))
    at = Value(now, InstantField()) if isinstance(now, datetime) else now
    stands_still = GreaterThan(F("settled_until") - at, F("next_run_at") - F("settled_until"))
    countable = Q(settled_until__gt=now, settled_until__lt=LAST, next_run_at__lt=LAST)
    beyond_count = When(settled_until__gte=LAST, then=Value(True))
    stands = Case(
        When(countable, then=stands_still), beyond_count, default=Value(False), output_field=models.BooleanField()
    )
    return _ACTIVE & has_begun & Q(settled_until__gt=now) & Q(stands)
