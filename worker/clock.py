"""The database's clock: it dates all facts, whatever the clocks of hosts say.

Between two readings it is carried forward by this process's monotonic clock, which no one can set. Code that measures
spans of time gets a clock as an argument; a test gives one that it moves by hand.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Protocol

from django.db import DatabaseError, InterfaceError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

from worker.dialects import dialect_of
from worker.dialects.words import Words
from worker.instants import InstantField


def database_now(using: str) -> datetime:
    """The database's clock, read now: an aware instant in UTC."""
    connection = connections[using]
    words = dialect_of(connection).words
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {words.now}", [])
        (value,) = cursor.fetchone()
    return words.instant(value)


def answers(using: str) -> bool:
    """Whether the session is there: it tells the time."""
    try:
        database_now(using)
    except (DatabaseError, InterfaceError):
        return False
    return True


class DatabaseNow(models.Func):
    """The same in a query, or `after` so many seconds.

    Django's own `Now()` is in the server's zone on MySQL, and stands still in a transaction on PostgreSQL.
    """

    output_field = InstantField()

    def __init__(self, after: float = 0.0) -> None:
        super().__init__()
        self.after = after

    def as_sql(  # type: ignore[override]  # it takes no template and no separator
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, tuple[float]]:
        return self._sql(dialect_of(connection).words), (self.after,)

    def _sql(self, words: Words) -> str:
        return words.later


class WhenWritten(DatabaseNow):
    """The same for what an UPDATE sets: not older than a lock that it had to wait for."""

    def _sql(self, words: Words) -> str:
        return words.later_than_written


class Monotonic(Protocol):
    """Measures spans of time. The module `time` is the one of this host."""

    def monotonic(self) -> float:
        """Seconds since some moment. No one can set them."""


class Clock(Monotonic, Protocol):
    """Tells the time of day as well."""

    def now(self) -> datetime: ...


class ServerClock:
    """The database's time without asking for it each time. Read it again with `set` now and then."""

    def __init__(self, now: datetime, host: Monotonic = time) -> None:
        self.monotonic = host.monotonic
        self.set(now)

    def set(self, now: datetime) -> None:
        self._ahead = now.timestamp() - self.monotonic()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic() + self._ahead, UTC)
