"""Which workers are alive, and which queues they drain."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.utils.translation import gettext as _

from worker import masking, roster
from worker.models import WorkerProcess
from worker.options import options

MOST_NAMED = 5
"""Queues in one sentence."""


def living_workers(using: str, now: datetime) -> list[WorkerProcess]:
    """By their names."""
    return list(roster.seem_alive(using, now, options().RESCUE_AFTER).order_by("name"))


def served_queues(workers: Collection[WorkerProcess]) -> set[str] | None:
    """The queues that one of these drains; None: one of them drains all."""
    if any(not worker.queue_names for worker in workers):
        return None
    return {queue for worker in workers for queue in worker.queue_names}


def what_is_served(served: Collection[str]) -> str:
    """A sentence for the one who wonders why a queue has no worker: those that have one."""
    if not served:
        return _("No worker is alive.")
    named = [f'"{masking.line(queue)}"' for queue in sorted(served)[:MOST_NAMED]]
    more = ["…"] if len(served) > MOST_NAMED else []
    return _("Those alive drain only %(queues)s.") % {"queues": ", ".join(named + more)}
