"""How whoever waits for jobs hears that they have ended: on PostgreSQL it asks to be told, else as of all news."""

from __future__ import annotations

import math
import selectors
import socket
import time
from collections.abc import Collection

from django.db.backends.base.base import BaseDatabaseWrapper

from worker.dialects.portions import portions
from worker.wakeup import channel
from worker.wakeup.awaited import ASK_EVERY, ASKED, IDS, SOME, ends_channel, notify
from worker.wakeup.ways import WAYS, News, Way


def _ends(connection: BaseDatabaseWrapper, waited_for: Collection[str], bell: socket.socket) -> News:
    """Asks for the ends of these jobs, which come and go meanwhile, and hears of them. The bell tells of new ones."""
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {connection.ops.quote_name(ends_channel())}")
    asked_at: dict[str, float] = {}
    with selectors.DefaultSelector() as ears:
        ears.register(connection.connection.fileno(), selectors.EVENT_READ)
        ears.register(bell, selectors.EVENT_READ)
        yield list(waited_for)  # whatever has ended while nobody listened here
        while True:
            asked_at = _asked(connection, list(waited_for), asked_at)
            heard = ears.select(ASK_EVERY)
            if any(key.fileobj is bell for key, _ in heard):
                bell.recv(4096)
            with connection.wrap_database_errors:
                payloads = {notice.payload for notice in connection.connection.notifies(timeout=0)}
            told = [id for payload in payloads for id in payload.split(",")]
            yield list(waited_for) if SOME in told else told


def _asked(connection: BaseDatabaseWrapper, ids: Collection[str], before: dict[str, float]) -> dict[str, float]:
    """Ask for those that are new, and for those that were asked for some time ago. Returns when each was."""
    now = time.monotonic()
    due = [id for id in ids if now - before.get(id, -math.inf) >= ASK_EVERY]
    notify(connection, channel(), [f"{ASKED}{','.join(some)}" for some in portions(due, IDS)])
    return {id: now if id in due else before[id] for id in ids}


ENDS: dict[str, Way] = {**WAYS, "postgresql": _ends}
"""By the kind of database. Topics are ids, in decimals."""
