"""How processes hear that there is something to do: at once where the database can tell, by asking where not.

A process that commits work announces it (here). Then it is quiet about that topic for `QUIET` seconds, and longer if
there is much to announce, up to `LONGEST_QUIET`. A process that hears it (`listening`) looks at once, and again at
growing pauses, until that time is over. So it also finds work that was committed in the quiet time, and announcements
cost processes that enqueue all the time nothing that can be measured. In addition, processes always poll (`asking`), at
intervals that grow while nothing happens. Behind a pooler, which delivers no notifications, they only poll.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from worker.clock import Monotonic
from worker.dialects import dialect_of
from worker.models import Job
from worker.options import options

READY = "ready"
"""Topic: there are jobs to claim. For workers."""
LATER = "later"
"""Topic: a delayed job or a schedule was added or changed. For whoever watches the clock."""

QUIET = 0.02
LONGEST_QUIET = 0.3


def announce(topics: Collection[str], using: str) -> None:
    """Tell this process and the others when the caller's transaction commits; a rollback tells nothing."""
    connection = connections[using]
    if not ears and not others_hear(connection):
        return

    def tell() -> None:
        for topic in topics:
            _tell_here(topic)
            if others_hear(connection) and not told.lately(connection, topic):
                told.just_now(connection, topic)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_notify(%s, %s)", [channel(), topic])

    # The work is committed: that nobody hears of it is for polling to make good, and no failure of the caller's.
    transaction.on_commit(tell, using=using, robust=True)


def goes_with_the_work(topic: str, connection: BaseDatabaseWrapper) -> bool:
    """Whether the statement that commits the work can tell the others: there is no transaction, and no silence."""
    if connection.in_atomic_block or not others_hear(connection):
        return False
    return connection.get_autocommit() and not told.lately(connection, topic)


def went_with_the_work(topic: str, connection: BaseDatabaseWrapper) -> None:
    """The others are told. Tell this process."""
    told.just_now(connection, topic)
    _tell_here(topic)


def channel() -> str:
    return f"{Job._meta.db_table}_news"


def _tell_here(topic: str) -> None:
    for tell in ears:
        tell(topic)


def others_hear(connection: BaseDatabaseWrapper) -> bool:
    return dialect_of(connection).words.notifies and options().WAKEUP != "poll"


class Told:
    """When others were told last of a database's topic. Who heard of it still looks, so for a while nothing is said."""

    def __init__(self, clock: Monotonic) -> None:
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[float, int]] = {}
        """When, and how often nothing was said since."""

    def lately(self, connection: BaseDatabaseWrapper, topic: str) -> bool:
        """Whether to say nothing now, which counts as once."""
        key = (connection.settings_dict["NAME"], topic)
        told_at, left_out = self._told.get(key, (-math.inf, 0))
        lately = self._clock.monotonic() - told_at < min(QUIET * (1 + left_out), LONGEST_QUIET)
        if lately:
            self._told[key] = (told_at, left_out + 1)
        return lately

    def just_now(self, connection: BaseDatabaseWrapper, topic: str) -> None:
        self._told[connection.settings_dict["NAME"], topic] = (self._clock.monotonic(), 0)

    def forget(self) -> None:
        self._told.clear()


told = Told(time)
"""By this process."""
ears: list[Callable[[str], None]] = []
"""Who in this process is to be told of a topic."""
