"""Which queues somebody drains."""

from __future__ import annotations

from datetime import datetime

from worker import roster
from worker.models import WorkerProcess
from worker.options import options


def served_queues(using: str, now: datetime) -> set[str] | None:
    """The queues that a living worker drains; None: one of them drains all."""
    workers = living_workers(using, now)
    if any(not worker.queue_names for worker in workers):
        return None
    return {queue for worker in workers for queue in worker.queue_names}


def living_workers(using: str, now: datetime) -> list[WorkerProcess]:
    return list(roster.seem_alive(using, now, options().RESCUE_AFTER))
