"""Problems of workers that are alive: dead slots, and outcomes that the database refuses."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from schedules.overview.scope import Scope
from schedules.overview.values import Problem
from worker import masking
from worker.models import WorkerProcess


def dead_slots(scope: Scope) -> Iterator[Problem]:
    """Threads that ran jobs have ended, and the process can start no others."""
    for worker in filter(_has_dead_slots, scope.workers):
        words = {"name": worker.name, "alive": worker.slots_alive, "slots": worker.slots}
        yield Problem("dead-slots", _("%(name)s has only %(alive)s of its %(slots)s slots.") % words)


def unrecorded(scope: Scope) -> Iterator[Problem]:
    """Jobs have ended, and the database does not let it be recorded."""
    for worker in filter(_has_unrecorded, scope.workers):
        words = {"name": worker.name, "count": worker.unrecorded, "why": masking.line(worker.trouble)}
        message = ngettext(
            "%(count)d job of %(name)s has ended, and the database refuses to record that: %(why)s",
            "%(count)d jobs of %(name)s have ended, and the database refuses to record that: %(why)s",
            worker.unrecorded,
        )
        yield Problem("unrecorded", message % words)


# SQLite may hold any text where a number should stand.


def _has_dead_slots(worker: WorkerProcess) -> bool:
    alive, slots = worker.slots_alive, worker.slots
    return isinstance(alive, int) and isinstance(slots, int) and alive < slots


def _has_unrecorded(worker: WorkerProcess) -> bool:
    return isinstance(worker.unrecorded, int) and worker.unrecorded > 0
