"""How a database says what others say otherwise: instants, locks and indexes, and what its errors mean.

Instants go in through `to_database` and come out through `instant`; the clock is always the database's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import DatabaseError, models
from django.db.backends.base.base import BaseDatabaseWrapper

from worker.instants import written


class Words:
    now: str
    """SQL: the current instant by the database's clock."""
    later: str
    """SQL: that, plus a parameter of seconds."""
    written: str
    """SQL: the instant at which a row is written. Its statement may have begun earlier, and waited."""
    later_than_written: str
    """SQL: that, plus a parameter of seconds."""
    size = "octet_length"
    """SQL: the function that counts the bytes of a text, without reading it where it is stored apart."""
    row_lock: str
    """SQL: lock the rows of a SELECT until the transaction ends."""
    share_lock: str
    """SQL: keep the rows of a SELECT from being changed by others until the transaction ends."""
    skip_locked: str
    """SQL: the same, passing over rows that others hold."""
    join_in_order = "CROSS JOIN"
    """SQL: JOIN that looks up the right table for each row of the left."""
    notifies = False
    """Whether processes can be told of new work, instead of asking for it."""

    def along(self, index: str) -> str:
        """SQL after a table: read it by that index."""
        return ""

    def instant(self, value: Any) -> datetime:
        """An instant as the database gave it → aware, UTC."""
        raise NotImplementedError

    def instants(self, values: Iterable[Any]) -> Iterable[datetime | None]:
        """The same of a column."""
        return [None if value is None else self.instant(value) for value in values]

    def readable(self, instant: str) -> str:
        """SQL for that instant, where the driver would read what is none as nothing. Others raise `UNREADABLE`."""
        return instant

    def to_database(self, connection: BaseDatabaseWrapper, value: Any) -> Any:
        """An instant as the database takes it. Any other value is taken as it is."""
        return written(value, connection.vendor) if isinstance(value, datetime) else value

    def misses_table(self, error: DatabaseError) -> bool:
        """Whether the database says that there is no such table."""
        raise NotImplementedError

    def refuses(self, error: DatabaseError) -> bool:
        """Whether it is about that statement, which is not allowed or names what is not there. The session is well."""
        raise NotImplementedError


def table(connection: BaseDatabaseWrapper, model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def in_list(values: Collection[Any]) -> str:
    return f"({', '.join(['%s'] * len(values))})"
