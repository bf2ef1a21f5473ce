"""Locks that ordinary days bring: a backup, a migration, an operator's open transaction. Who would write waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from django.db import connection, transaction


@contextmanager
def locked(tables: Sequence[str]) -> Iterator[None]:
    """Until the block ends, everybody may read the tables, and nobody but this connection may write them.

    On SQLite that is the whole file. No tables: it is the whole server, where the database has such a lock.
    """
    with connection.cursor() as cursor, ExitStack() as until_the_end:
        match connection.vendor:
            case "mysql":
                until_the_end.callback(cursor.execute, "UNLOCK TABLES")
                all_of_them = ", ".join(f"{table} READ" for table in tables)
                cursor.execute(f"LOCK TABLES {all_of_them}" if tables else "FLUSH TABLES WITH READ LOCK")
            case vendor:
                until_the_end.enter_context(transaction.atomic())
                if vendor == "postgresql":
                    cursor.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE MODE")
        yield


@contextmanager
def locked_for(seconds: float, tables: Sequence[str]) -> Iterator[None]:
    """The same for so long, by another session, while this thread goes on. The block ends when that is over, too."""
    there, failures = threading.Event(), list[BaseException]()

    def hold() -> None:
        try:
            with locked(tables):
                there.set()
                threading.Event().wait(seconds)
        except BaseException as failure:  # noqa: BLE001  raised again in the test's own thread
            failures.append(failure)
        finally:
            connection.close()
            there.set()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    there.wait()
    try:
        yield
    finally:
        thread.join()
    if failures:
        raise failures[0]
