"""The ways to hear of new work, one for each kind of database: PostgreSQL notifies, and SQLite's files can be watched.

Each is an endless iterator. It sleeps until there may be news, and then yields the topics, often none. A bell wakes it
too, so that the listener can end it.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Collection, Generator
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper

from worker.wakeup import LONGEST_QUIET, QUIET, channel
from worker.wakeup.awaited import hear_question
from worker.wakeup.file_watch import FileWatch

News = Generator[Collection[str], None, None]
"""Topics, again and again."""
Way = Callable[[BaseDatabaseWrapper, Collection[str], socket.socket], News]
"""From a session, all topics and a bell to those topics of which there may be news."""


def _notifications(connection: BaseDatabaseWrapper, topics: Collection[str], bell: socket.socket) -> News:
    """https://www.postgresql.org/docs/current/sql-listen.html

    The pauses between looks are slept by this host, so it is its clock that measures them.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {connection.ops.quote_name(channel())}")
    news = set(topics)  # whatever was told while nobody listened here
    with selectors.DefaultSelector() as ears:
        ears.register(connection.connection.fileno(), selectors.EVENT_READ)
        ears.register(bell, selectors.EVENT_READ)
        looks = Looks()
        while True:
            looks.begin(news, time.monotonic())
            yield looks.due(time.monotonic())
            ears.select(looks.pause(time.monotonic()))
            with connection.wrap_database_errors:
                heard = {notice.payload for notice in connection.connection.notifies(timeout=0)}
            news = {topic for topic in heard if not hear_question(topic)}


def _changes_of_file(connection: BaseDatabaseWrapper, topics: Collection[str], _bell: socket.socket) -> News:
    """A change tells no topic. No sleep here is long. https://www.sqlite.org/pragma.html#pragma_data_version"""
    look, seen = connection.connection.cursor(), None
    with FileWatch(_files(connection)) as file:
        while True:
            connection.ensure_connection()  # raises if it is not the file that is there
            with connection.wrap_database_errors:
                (version,) = look.execute("PRAGMA data_version").fetchone()
            yield topics if version != seen else ()
            seen = version
            file.wait()


def _files(connection: BaseDatabaseWrapper) -> list[str]:
    """What SQLite writes a commit to: its write-ahead log if it keeps one, and the database itself."""
    database = connection.connection.execute("PRAGMA database_list").fetchone()[2]
    log = f"{database}-wal"
    return [database, log] if Path(log).exists() else [database]


WAYS: dict[str, Way] = {"postgresql": _notifications, "sqlite": _changes_of_file}


class Looks:
    """When to look after news of a topic: now, and at growing pauses for as long as whoever told it may be quiet."""

    def __init__(self) -> None:
        self.next: dict[str, tuple[float, float]] = {}
        """The instant of a topic's next look, and the pause after it."""

    def begin(self, topics: Collection[str], now: float) -> None:
        self.next |= dict.fromkeys(topics, (now, 1.5 * QUIET))

    def due(self, now: float) -> list[str]:
        due = [topic for topic, (instant, _) in self.next.items() if instant <= now]
        for topic in due:
            _, pause = self.next.pop(topic)
            if pause < LONGEST_QUIET:
                self.next[topic] = (now + pause, 2 * pause)
        return due

    def pause(self, now: float) -> float | None:
        """Seconds until the next one; None: there is none."""
        return max(0.0, min(instant for instant, _ in self.next.values()) - now) if self.next else None
