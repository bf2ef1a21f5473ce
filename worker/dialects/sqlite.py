"""SQLite: one writer at a time, so a transaction that begins with a write needs no row locks."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError

from worker.dialects.ack import Acks
from worker.dialects.claim.sqlite import SQLiteClaims
from worker.dialects.dialect import Dialect
from worker.dialects.insertions import Insertions
from worker.dialects.lanes import Lanes
from worker.dialects.locks import SQLiteLocks
from worker.dialects.many import ManyRows
from worker.dialects.promotion import Promotion
from worker.dialects.words import Words


def dialect() -> Dialect:
    words, many = SQLite(), ManyRows()
    return Dialect(
        words=words,
        many=many,
        locks=SQLiteLocks(),
        insertions=Insertions(words),
        promotion=Promotion(words),
        lanes=Lanes(words, many),
        claims=SQLiteClaims(words),
        acks=Acks(words),
    )


class SQLite(Words):
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

    def refuses(self, error: DatabaseError) -> bool:
        return getattr(error.__cause__, "sqlite_errorcode", None) in _REFUSALS


_REFUSALS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH}
"""What is not there, and what an authorizer forbids. A file that may only be read is a fault of the session."""
