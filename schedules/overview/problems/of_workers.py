"""What is wrong with workers that live: some do less than they say."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from schedules.overview.scope import Scope
from schedules.overview.values import Problem
from worker import masking, roster
from worker.options import options


def dead_slots(scope: Scope) -> Iterator[Problem]:
    """Threads that ran jobs have ended, and the process can start no others."""
    living = roster.seem_alive(scope.using, scope.now, options().RESCUE_AFTER)
    for worker in living.filter(slots_alive__lt=F("slots")).order_by("name"):
        words = {"name": worker.name, "alive": worker.slots_alive, "slots": worker.slots}
        yield Problem("dead-slots", _("%(name)s has only %(alive)s of its %(slots)s slots.") % words)


def unrecorded(scope: Scope) -> Iterator[Problem]:
    """Jobs have ended, and the database does not let it be recorded."""
    living = roster.seem_alive(scope.using, scope.now, options().RESCUE_AFTER)
    for worker in living.filter(unrecorded__gt=0).order_by("name"):
        words = {"name": worker.name, "count": worker.unrecorded, "why": masking.line(worker.trouble)}
        message = ngettext(
            "%(count)d job of %(name)s has ended, and the database refuses to record that: %(why)s",
            "%(count)d jobs of %(name)s have ended, and the database refuses to record that: %(why)s",
            worker.unrecorded,
        )
        yield Problem("unrecorded", message % words)
