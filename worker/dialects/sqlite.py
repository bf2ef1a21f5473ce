"""SQLite: one writer at a time, so a transaction that begins with a write needs no row locks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from worker.dialects.portable import Dialect, table
from worker.models import Job


class SQLite(Dialect):
    # As Django writes instants, since they are compared as text: with six digits, or without a fraction of zero.
    now = "replace(strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now'), '.000000', '')"
    later = "replace(strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', %s || ' seconds'), '.000000', '')"
    written, later_than_written = now, later  # read when the database is this statement's alone
    size = "length"  # what counts bytes is younger than the SQLite that some have
    share_lock = ""
    row_lock = ""
    skip_locked = ""

    def instant(self, value: Any) -> datetime:
        """A column comes parsed by Django's converter, an expression as text; both in UTC, without saying so."""
        naive = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return naive.replace(tzinfo=UTC)

    def misses_table(self, error: DatabaseError) -> bool:
        return str(error).startswith("no such table")

    def hold(self, connection: BaseDatabaseWrapper, key: int) -> None:
        """By the one write lock, which a statement takes that changes nothing: others wait, whatever they hold."""
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table(connection, Job)} WHERE id = 0", [])
