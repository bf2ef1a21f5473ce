"""How processes hear that there is something to do: at once where the database can tell, by asking where not.

Whoever commits work announces it, and then is quiet about that topic: for `QUIET` seconds, and longer the more there
is to say, up to `LONGEST_QUIET`. Whoever hears of it looks now, and again at growing pauses until that time is over. So
what was committed in the quiet time is seen too, and many who enqueue without a pause pay nothing that can be measured.
Beneath it all there is always polling, at intervals that grow while nothing happens; and nothing else behind a pooler,
which delivers no notifications.
"""

from __future__ import annotations

import math
import selectors
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from worker import signals
from worker.dialects import dialect_of
from worker.models import Job
from worker.options import options
from worker.sessions.connection import behind_pooler, private_connection
from worker.wakeup.file_watch import FileWatch

READY = "ready"
"""Topic: there are jobs to claim. For workers."""
LATER = "later"
"""Topic: a delayed job or a schedule was added or changed. For whoever watches the clock."""

QUIET = 0.02
LONGEST_QUIET = 0.3
RECONNECT = 1.0


# Telling


def announce(topics: Collection[str], using: str) -> None:
    """Tell this process and the others when the caller's transaction commits; a rollback tells nothing."""
    connection = connections[using]

    def tell() -> None:
        for topic in topics:
            _tell_here(topic)
            if _others_hear(connection) and not _is_quiet(connection, topic):
                _break_silence(connection, topic)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_notify(%s, %s)", [channel(), topic])

    # The work is committed: that nobody hears of it is for polling to make good, and no failure of the caller's.
    transaction.on_commit(tell, using=using, robust=True)


def goes_with_the_work(topic: str, using: str) -> bool:
    """Whether the statement that commits the work can tell the others: there is no transaction, and no silence."""
    connection = connections[using]
    alone = not connection.in_atomic_block and connection.get_autocommit()
    return alone and _others_hear(connection) and not _is_quiet(connection, topic)


def went_with_the_work(topic: str, using: str) -> None:
    """The others are told. Tell this process."""
    _break_silence(connections[using], topic)
    _tell_here(topic)


def _tell_here(topic: str) -> None:
    for listener in _here:
        listener.tell(topic)


def _others_hear(connection: BaseDatabaseWrapper) -> bool:
    return dialect_of(connection).notifies and options().WAKEUP != "poll"


def _is_quiet(connection: BaseDatabaseWrapper, topic: str) -> bool:
    """Whether to say nothing: who heard of the topic last still looks."""
    key = (connection.settings_dict["NAME"], topic)
    told_at, left_out = _told.get(key, (-math.inf, 0))
    quiet = time.monotonic() - told_at < min(QUIET * (1 + left_out), LONGEST_QUIET)
    if quiet:
        _told[key] = (told_at, left_out + 1)
    return quiet


def _break_silence(connection: BaseDatabaseWrapper, topic: str) -> None:
    _told[connection.settings_dict["NAME"], topic] = (time.monotonic(), 0)


_told: dict[tuple[str, str], tuple[float, int]] = {}
"""Of which database and topic this process told others when, and how often it was quiet since."""
_here: list[Listener] = []
"""The listeners of this process."""


def channel() -> str:
    return f"{Job._meta.db_table}_news"


# Hearing


class Listener:
    """Calls `hear[topic]()` whenever there is news of that topic. One thread a process; `with` starts and ends it."""

    def __init__(self, alias: str, hear: Mapping[str, Callable[[], None]]) -> None:
        self.alias = alias
        self.hear = hear
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._run, name="carillon-listener", daemon=True)

    def __enter__(self) -> Listener:
        _here.append(self)
        if is_told(self.alias):
            self.bell, self.bell_pull = socket.socketpair()  # wakes the thread when it is to end
            self.thread.start()
        elif options().WAKEUP == "auto" and behind_pooler(connections[self.alias]):
            signals.news_unheard.send_robust(None, database=self.alias, asks_every=longest_wait(self.alias))
        return self

    def __exit__(self, *_: object) -> None:
        _here.remove(self)
        self.closed.set()
        if self.thread.ident is not None:
            self.bell_pull.close()
            self.thread.join(timeout=2 * RECONNECT)

    def tell(self, topic: str) -> None:
        if topic in self.hear:
            self.hear[topic]()

    def _run(self) -> None:
        with self.bell:
            while not self.closed.is_set():
                try:
                    with private_connection(self.alias, "listener") as own_alias:
                        _WAYS[connections[own_alias].vendor](self, connections[own_alias])
                except (DatabaseError, InterfaceError) as error:
                    signals.database_lost.send_robust(None, name="listener", error=error, retry_in=RECONNECT)
                    self.closed.wait(RECONNECT)

    def _hear_notifications(self, connection: BaseDatabaseWrapper) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {connection.ops.quote_name(channel())}")
        news = set(self.hear)  # whatever was told while nobody listened here
        with selectors.DefaultSelector() as ears:
            ears.register(connection.connection.fileno(), selectors.EVENT_READ)
            ears.register(self.bell, selectors.EVENT_READ)
            looks = Looks()
            while not self.closed.is_set():
                looks.begin(news, time.monotonic())
                for topic in looks.due(time.monotonic()):
                    self.tell(topic)
                ears.select(looks.pause(time.monotonic()))
                with connection.wrap_database_errors:
                    news = {notice.payload for notice in connection.connection.notifies(timeout=0)}

    def _watch_file(self, connection: BaseDatabaseWrapper) -> None:
        """https://www.sqlite.org/pragma.html#pragma_data_version"""
        look, seen = connection.connection.cursor(), None
        with FileWatch(_files(connection)) as file:
            while not self.closed.is_set():
                with connection.wrap_database_errors:
                    (version,) = look.execute("PRAGMA data_version").fetchone()
                if version != seen:
                    seen = version
                    for topic in self.hear:
                        self.tell(topic)
                file.wait()


def _files(connection: BaseDatabaseWrapper) -> list[str]:
    """What SQLite writes a commit to: its write-ahead log if it keeps one, and the database itself."""
    database = connection.connection.execute("PRAGMA database_list").fetchone()[2]
    log = f"{database}-wal"
    return [database, log] if Path(log).exists() else [database]


_WAYS: dict[str, Callable[[Listener, BaseDatabaseWrapper], None]] = {
    "postgresql": Listener._hear_notifications,
    "sqlite": Listener._watch_file,
}


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


# Asking


def is_told(alias: str) -> bool:
    """Whether processes hear of news in this database, and need not ask so often."""
    connection = connections[alias]
    match options().WAKEUP:
        case "poll":
            return False
        case "auto" if behind_pooler(connection):
            return False
        case _:
            return connection.vendor in _WAYS


class Patience:
    """How long to wait before asking again: briefly after something happened, longer while nothing does."""

    SHORTEST = 0.02

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self.reset()

    def reset(self) -> None:
        self.seconds = min(self.SHORTEST, self.longest)

    def next(self) -> float:
        seconds = self.seconds
        self.seconds = min(self.longest, 2 * seconds)
        return seconds


def longest_wait(alias: str) -> float:
    """Seconds between two questions of an idle process: many where it is told of news, few where not."""
    return 1.0 if is_told(alias) else 0.2
