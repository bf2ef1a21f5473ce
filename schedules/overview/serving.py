"""Which workers live, and which queues they drain."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from worker import roster
from worker.models import WorkerProcess
from worker.options import options


def living_workers(using: str, now: datetime) -> list[WorkerProcess]:
    """By their names."""
    return list(roster.seem_alive(using, now, options().RESCUE_AFTER).order_by("name"))


def served_queues(workers: Collection[WorkerProcess]) -> set[str] | None:
    """The queues that one of these drains; None: one of them drains all."""
    if any(not worker.queue_names for worker in workers):
        return None
    return {queue for worker in workers for queue in worker.queue_names}
