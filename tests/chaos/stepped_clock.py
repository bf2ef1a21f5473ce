"""A clock of PostgreSQL that a test may set, for the sessions of its own database that begin from then on.

Functions of the same names stand before the server's own in the search path. They are that much ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

SetClock = Callable[[float], None]
"""By so many seconds it is to be ahead of what it would be; negative: behind."""

_CLOCKS = ("statement_timestamp", "clock_timestamp")


@contextmanager
def clock_that_can_be_set() -> Iterator[SetClock]:
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    _do("CREATE SCHEMA stepped", "CREATE TABLE stepped.step (ahead interval)", "INSERT INTO stepped.step VALUES ('0')")
    for clock in _CLOCKS:
        _do(
            f"CREATE FUNCTION stepped.{clock}() RETURNS timestamptz LANGUAGE sql STABLE AS "
            f"'SELECT pg_catalog.{clock}() + ahead FROM stepped.step'"
        )
    _do(f"ALTER DATABASE {name} SET search_path = public, stepped, pg_catalog")
    connection.close()
    try:
        yield lambda ahead: _do(f"UPDATE stepped.step SET ahead = '{ahead} s'")
    finally:
        _do(f"ALTER DATABASE {name} RESET search_path", "DROP SCHEMA stepped CASCADE")
        connection.close()


def _do(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
