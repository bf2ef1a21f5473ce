"""The table of workers: each signs in, gives signs of life (heartbeats), and signs off. Dead ones are struck off.

No statement here decides which workers are dead. The date of a sign of life is for people, and may be in the future if
a clock was set. The watcher (`worker.rescue`) only sees whether a sign differs from the one before.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, models, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Cast

from worker.clock import WhenWritten, database_now
from worker.dialects import dialect_of
from worker.erasure import erase
from worker.models import WorkerProcess


def process_name() -> str:
    """Host and process id, as people see them."""
    return f"{socket.gethostname()}:{os.getpid()}"


# A worker's own


def sign_in(using: str, name: str, slots: int, queues: Sequence[str], project: str = "") -> int:
    """`project`: the settings module of a process that may lead."""
    now = database_now(using)
    connection = connections[using]
    return dialect_of(connection).insertions.insert_row(
        connection,
        WorkerProcess,
        name=name,
        slots=slots,
        queues="\n".join(queues),
        project=project,
        started_at=now,
        heartbeat_at=now,
        unrecorded=0,
        trouble="",
        chores_refused="",
    )


def is_of(using: str, worker_id: int, name: str) -> bool:
    """Whether the id still is that of this name: a database that was put back, or another, may give it to somebody."""
    return WorkerProcess.objects.using(using).filter(pk=worker_id, name=name).exists()


def beat(using: str, worker_id: int, **told: Any) -> bool:
    """Give a sign of life, and tell how it is, in columns of its row.

    False: this worker was taken for dead, and its jobs belong to others now.
    """
    with transaction.atomic(using=using):
        mine = dialect_of(connections[using]).locks.once_free(WorkerProcess.objects.using(using).filter(pk=worker_id))
        return mine.update(heartbeat_at=WhenWritten(), **told) == 1


def sign_off(using: str, worker_id: int) -> None:
    erase(WorkerProcess, [worker_id], using)


# For whoever watches them


def signs(using: str) -> dict[int, str]:
    """By worker, its last sign of life, as the database writes it: one that cannot be read is a sign as well."""
    return dict(WorkerProcess.objects.using(using).values_list("pk", _sign()))


def touch(using: str, signs: Mapping[int, str]) -> set[int]:
    """Write to the rows of workers as they would themselves, and change nothing. Returns those that may be written.

    What keeps workers from giving signs of life holds this up as well, or makes it fail. Left out are those who have
    given another sign meanwhile, and those whose row somebody holds.
    """
    if not signs:
        return set()
    with transaction.atomic(using=using):
        free = _free(using, signs)
        WorkerProcess.objects.using(using).filter(pk__in=free).update(heartbeat_at=F("heartbeat_at"))
    return free


def strike_off(using: str, signs: Mapping[int, str]) -> set[int]:
    """Workers who gave no other sign of life. In the caller's transaction, and waiting for nobody. Returns which."""
    free = _free(using, signs)
    erase(WorkerProcess, free, using)
    return free


# For people


def seem_alive(using: str, now: datetime, patience: float) -> QuerySet[WorkerProcess]:
    """Workers whose last sign of life is not further from now than that many seconds, by the database's clock."""
    return WorkerProcess.objects.using(using).filter(heartbeat_at__range=_around(now, patience))


def seem_silent(using: str, now: datetime, patience: float) -> QuerySet[WorkerProcess]:
    """The others."""
    return WorkerProcess.objects.using(using).exclude(heartbeat_at__range=_around(now, patience))


def _around(now: datetime, patience: float) -> tuple[datetime, datetime]:
    return now - timedelta(seconds=patience), now + timedelta(seconds=patience)


def _free(using: str, signs: Mapping[int, str]) -> set[int]:
    """Those of the workers whose sign of life is still this one, and whose rows nobody holds. They are held now."""
    rows = WorkerProcess.objects.using(using).filter(pk__in=signs).select_for_update(skip_locked=True)
    return {id for id, sign in rows.values_list("pk", _sign()) if sign == signs[id]}


def _sign() -> Cast:
    return Cast("heartbeat_at", models.TextField())
