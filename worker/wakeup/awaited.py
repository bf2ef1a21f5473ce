"""The ends of jobs that somebody waits for: who asked for which, and telling them.

A notification for each job that ends would make all jobs pay for the few that somebody waits for. So who waits asks
for it (`ends`), on the channel of all news, and asks again as long as it waits: workers may have started since.
Workers keep what was asked for, and forget it after a while. When they have recorded the end of such a job, they tell
it on a channel of its own. Whoever ends jobs by hand hears no questions, and tells that some have ended. Who waits
looks now and then in any case, so it is no harm if something is lost. All of this is PostgreSQL's: elsewhere nobody
asks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from worker.clock import Monotonic
from worker.dialects.portions import portions
from worker.wakeup import channel, others_hear

ASKED = "awaited:"
"""Begins a question on the channel of all news: ids follow."""
SOME = "some"
"""Some jobs have ended: whoever waits is to look."""
ASK_EVERY = 5.0
"""Seconds."""
ASKED_FOR = 4 * ASK_EVERY
"""Seconds for which a worker keeps a question."""
MOST_ASKED = 100_000
"""Ids that a worker keeps. Who waits for others looks now and then."""
IDS = 300
"""In one notification, which may have 8,000 bytes."""


class Awaited:
    """The ids of jobs of which this process is to tell the end. From any thread."""

    def __init__(self, clock: Monotonic) -> None:
        self._clock = clock
        self._until: dict[int, float] = {}

    def ask(self, ids: Collection[int]) -> None:
        now = self._clock.monotonic()
        if len(self._until) + len(ids) > MOST_ASKED:
            self._until = {id: until for id, until in list(self._until.items()) if until > now}
        if len(self._until) + len(ids) <= MOST_ASKED:
            self._until.update(dict.fromkeys(ids, now + ASKED_FOR))

    def has_any(self, ids: Iterable[int]) -> bool:
        """Costs nothing as long as nobody waits."""
        return bool(self._until) and any(id in self._until for id in ids)

    def take(self, ids: Iterable[int]) -> list[int]:
        """Those of them that somebody waits for, who is told once."""
        if not self._until:
            return []
        now = self._clock.monotonic()
        return [id for id in ids if self._until.pop(id, -math.inf) > now]


awaited = Awaited(time)
"""By others, of this process."""


def hear_question(payload: str) -> bool:
    """Whether it is one. What somebody else has written into the channel is none."""
    if not payload.startswith(ASKED):
        return False
    awaited.ask([int(id) for id in payload.removeprefix(ASKED).split(",") if id.isascii() and id.isdecimal()])
    return True


def tell_ends(ids: Iterable[int], using: str) -> None:
    """These jobs have ended, and that is committed. Tell who waits for them."""
    if taken := awaited.take(ids):
        notify(connections[using], ends_channel(), [",".join(map(str, some)) for some in portions(taken, IDS)])


def tell_some_ended(using: str) -> None:
    """The same of whoever ends jobs by hand, when the caller's transaction commits."""
    connection = connections[using]
    if others_hear(connection):
        transaction.on_commit(lambda: notify(connection, ends_channel(), [SOME]), using=using, robust=True)


def ends_channel() -> str:
    return f"{channel()}_ends"


def notify(connection: BaseDatabaseWrapper, where: str, payloads: Collection[str]) -> None:
    with connection.cursor() as cursor:
        for payload in payloads:
            cursor.execute("SELECT pg_notify(%s, %s)", [where, payload])
