"""The heartbeats of workers: each signs in, gives signs of life, and signs off; who is silent is taken for dead."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from worker.clock import DatabaseNow, database_now
from worker.models import WorkerProcess


def process_name() -> str:
    """Host and process id, as people see them."""
    return f"{socket.gethostname()}:{os.getpid()}"


def sign_in(using: str, name: str, slots: int, queues: Sequence[str]) -> int:
    now = database_now(using)
    return (
        WorkerProcess.objects.using(using)
        .create(name=name, slots=slots, queues="\n".join(queues), started_at=now, heartbeat_at=now)
        .pk
    )


def beat(using: str, worker_id: int) -> bool:
    """Give a sign of life. False: this worker was taken for dead, and its jobs belong to others now."""
    return WorkerProcess.objects.using(using).filter(pk=worker_id).update(heartbeat_at=DatabaseNow()) == 1


def sign_off(using: str, worker_id: int) -> None:
    WorkerProcess.objects.using(using).filter(pk=worker_id).delete()


def living(using: str, since: datetime | DatabaseNow) -> QuerySet[WorkerProcess]:
    """Workers that gave a sign of life since then. It is asked anew in each statement: workers sign in at any time."""
    return WorkerProcess.objects.using(using).filter(heartbeat_at__gte=since)


def silent(using: str, since: datetime | DatabaseNow) -> QuerySet[WorkerProcess]:
    """Those that gave none."""
    return WorkerProcess.objects.using(using).filter(heartbeat_at__lt=since)


def bury(using: str, since: datetime) -> None:
    """Strike off the silent."""
    silent(using, since).delete()
