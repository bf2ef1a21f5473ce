"""PostgreSQL: how it says things, and which statements it has of its own. A batch is one, whatever its size."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db import DatabaseError

from worker.dialects.ack.postgresql import PostgreSQLAcks
from worker.dialects.claim.postgresql import PostgreSQLClaims
from worker.dialects.dialect import Dialect
from worker.dialects.insertions import PostgreSQLInsertions
from worker.dialects.lanes import PostgreSQLLanes
from worker.dialects.locks import PostgreSQLLocks
from worker.dialects.many import ManyRowsByArrays
from worker.dialects.promotion import PostgreSQLPromotion
from worker.dialects.words import Words
from worker.instants import read


def dialect() -> Dialect:
    words, many = PostgreSQL(), ManyRowsByArrays()
    return Dialect(
        words=words,
        many=many,
        locks=PostgreSQLLocks(),
        insertions=PostgreSQLInsertions(words, many),
        promotion=PostgreSQLPromotion(words),
        lanes=PostgreSQLLanes(words, many),
        claims=PostgreSQLClaims(words),
        acks=PostgreSQLAcks(words, many),
    )


class PostgreSQL(Words):
    now = "statement_timestamp()"
    later = "statement_timestamp() + %s * interval '1 second'"
    written = "clock_timestamp()"
    later_than_written = "clock_timestamp() + %s * interval '1 second'"
    row_lock = "FOR UPDATE"
    share_lock = "FOR KEY SHARE"
    skip_locked = "FOR UPDATE SKIP LOCKED"
    notifies = True

    def instant(self, value: datetime) -> datetime:
        return read(value, "postgresql")

    def instants(self, values: Iterable[datetime | None]) -> Iterable[datetime | None]:
        """They are in UTC already, unless the project or its session has another zone."""
        zones = {value.tzinfo for value in values if value is not None}
        return values if zones == {UTC} else super().instants(values)

    def misses_table(self, error: DatabaseError) -> bool:
        return _code_of(error) == _UNDEFINED_TABLE

    def refuses(self, error: DatabaseError) -> bool:
        return _code_of(error) in _REFUSALS


def _code_of(error: DatabaseError) -> str | None:
    """https://www.postgresql.org/docs/current/errcodes-appendix.html. Psycopg 2 has it as well."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", getattr(cause, "pgcode", None))


_UNDEFINED_TABLE = "42P01"
_REFUSALS = {"42501", "P0001"}
"""No privilege, and a trigger that raises."""
