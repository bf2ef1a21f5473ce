"""MySQL 8 and MariaDB ≥ 10.6: how they say things, and which statements they have of their own."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import DatabaseError

from worker.dialects.ack.mysql import MySQLAcks
from worker.dialects.claim.mysql import MySQLClaims
from worker.dialects.dialect import Dialect
from worker.dialects.insertions import MySQLInsertions
from worker.dialects.lanes import MySQLLanes
from worker.dialects.locks import MySQLLocks
from worker.dialects.many import ManyRowsByJson
from worker.dialects.promotion import Promotion
from worker.dialects.words import Words
from worker.instants import in_bounds


def dialect() -> Dialect:
    words, many = MySQL(), ManyRowsByJson()
    return Dialect(
        words=words,
        many=many,
        locks=MySQLLocks(),
        insertions=MySQLInsertions(words),
        promotion=Promotion(words),
        lanes=MySQLLanes(words, many),
        claims=MySQLClaims(words),
        acks=MySQLAcks(words),
    )


class MySQL(Words):
    now = "UTC_TIMESTAMP(6)"
    later = "UTC_TIMESTAMP(6) + INTERVAL (%s * 1000000) MICROSECOND"
    written = "SYSDATE(6) + INTERVAL TIMESTAMPDIFF(MICROSECOND, NOW(6), UTC_TIMESTAMP(6)) MICROSECOND"
    later_than_written = f"{written} + INTERVAL (%s * 1000000) MICROSECOND"
    row_lock = "FOR UPDATE"
    share_lock = "LOCK IN SHARE MODE"
    skip_locked = "FOR UPDATE SKIP LOCKED"
    join_in_order = "STRAIGHT_JOIN"

    def along(self, index: str) -> str:
        """Else it may look for a queue along the index of all queues, past the jobs of another that nobody drains.

        And for a batch that is a good part of a small table it would read, and lock, the rows of other workers as well.
        """
        return f"FORCE INDEX ({index})"

    def instant(self, value: datetime) -> datetime:
        return value.replace(tzinfo=UTC)

    def readable(self, instant: str) -> str:
        return in_bounds(instant, "mysql")

    def misses_table(self, error: DatabaseError) -> bool:
        return error.args[:1] == (_NO_SUCH_TABLE,)

    def refuses(self, error: DatabaseError) -> bool:
        """What others call an error of the statement, the drivers here call one of operation."""
        return bool(error.args) and error.args[0] in _REFUSALS


_NO_SUCH_TABLE = 1146
_REFUSALS = {
    1044,  # no privilege on the database
    1142,  # … on the table
    1143,  # … on the column
    1227,  # … of that kind
    1370,  # … on the routine
    1449,  # whoever defined a trigger or a view is gone
    1054,  # no such column
    1644,  # a trigger raises
}
"""https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html"""
