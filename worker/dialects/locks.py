"""Who waits for whom, where databases differ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from worker.dialects.words import table
from worker.models import CallLock, Job

CALL_LOCKS = 1024
"""Rows of `CallLock`: so many calls can be made at once that do not wait for each other, if they are lucky."""


class Locks:
    writes_undo_readers = False
    """Whether a transaction that has begun to read can write no more once anybody else has written."""

    def hold(self, connection: BaseDatabaseWrapper, key: int) -> None:
        """Until the caller's transaction ends, whoever else asks to hold the key waits. `key`: 64 bits, signed."""
        raise NotImplementedError

    def once_free(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The same rows, to be changed by the clock when nobody else holds them. In a transaction."""
        return rows

    def impatient(self, connection: BaseDatabaseWrapper) -> AbstractContextManager[None]:
        """In this block a write does not wait until others have written, where a database has one writer at a time."""
        return nullcontext()


class PostgreSQLLocks(Locks):
    def hold(self, connection: BaseDatabaseWrapper, key: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])

    def once_free(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """An UPDATE that waits for a row has read the clock before; one of rows that a subquery holds has not."""
        held = rows.select_for_update(no_key=True).values("pk")
        return QuerySet(rows.model, using=rows.db).filter(pk__in=held)


class MySQLLocks(Locks):
    def hold(self, connection: BaseDatabaseWrapper, key: int) -> None:
        """By a row, since its named locks outlive the transaction. A row that is there is locked as if it were new."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table(connection, CallLock)} (id) VALUES (%s) ON DUPLICATE KEY UPDATE id = id",
                [key % CALL_LOCKS + 1],
            )


class SQLiteLocks(Locks):
    writes_undo_readers = True

    def hold(self, connection: BaseDatabaseWrapper, key: int) -> None:
        """By the one write lock, which a statement takes that changes nothing: others wait, whatever they hold."""
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table(connection, Job)} WHERE id = 0", [])

    @contextmanager
    def impatient(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            (of_project,) = cursor.fetchone()
            cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {int(of_project)}")
