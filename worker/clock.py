"""The database's clock: facts are dated by it, whatever the hosts believe.

Between two readings it is carried forward by this process's monotonic clock, which no one can set.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

from worker.dialects import dialect_of


def database_now(using: str) -> datetime:
    """The database's clock, read now: an aware instant in UTC."""
    connection = connections[using]
    dialect = dialect_of(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {dialect.now}", [])
        (value,) = cursor.fetchone()
    return dialect.instant(value)


class DatabaseNow(models.Func):
    """The same in a query, or `after` so many seconds.

    Django's own `Now()` is in the server's zone on MySQL, and stands still in a transaction on PostgreSQL.
    """

    output_field = models.DateTimeField()

    def __init__(self, after: float = 0.0) -> None:
        super().__init__()
        self.after = after

    def as_sql(  # type: ignore[override]  # it takes no template and no separator
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, tuple[float]]:
        return dialect_of(connection).later, (self.after,)


class ServerClock:
    """The database's time without asking for it each time. Read it again with `set` now and then."""

    def __init__(self, now: datetime) -> None:
        self.set(now)

    def set(self, now: datetime) -> None:
        self._ahead = now.timestamp() - time.monotonic()

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.monotonic() + self._ahead, UTC)
