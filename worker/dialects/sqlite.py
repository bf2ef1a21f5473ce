"""SQLite: one writer at a time, so a transaction that begins with a write needs no row locks."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from types import NoneType
from typing import Any

from django.db import DatabaseError, models
from django.db.backends.base.base import BaseDatabaseWrapper

from worker.dialects.portable import CLAIMED, Dialect, table
from worker.models import Job
from worker.values import ClaimedJob


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

    def claimed(self, rows: Sequence[Sequence[Any]], token: int) -> list[ClaimedJob]:
        """Its columns of numbers keep any text. Raises TypeError for one."""
        columns = zip(*rows, strict=True) if rows else ()
        for name, values in zip(CLAIMED, columns, strict=bool(rows)):
            if name in _NUMBERS and not set(map(type, values)) <= _WHOLE:
                raise TypeError(f"A job has no number that can be read in {name}.")
        return super().claimed(rows, token)

    def misses_table(self, error: DatabaseError) -> bool:
        return str(error).startswith("no such table")

    def refuses(self, error: DatabaseError) -> bool:
        return getattr(error.__cause__, "sqlite_errorcode", None) in _REFUSALS

    def hold(self, connection: BaseDatabaseWrapper, key: int) -> None:
        """By the one write lock, which a statement takes that changes nothing: others wait, whatever they hold."""
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table(connection, Job)} WHERE id = 0", [])


_NUMBERS = frozenset(field.column for field in Job._meta.concrete_fields if isinstance(field, models.IntegerField))
_WHOLE = {int, NoneType}
_REFUSALS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH}
"""What is not there, and what an authorizer forbids. A file that may only be read is a fault of the session."""
