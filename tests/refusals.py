"""Refusals that ordinary days bring: a table is away for a while, or a trigger raises. The session lives on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from tests.roles import do


@contextmanager
def renamed(table: str) -> Iterator[None]:
    """Somebody has moved it, as some migrations do, until the block ends."""
    do(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        do(f"ALTER TABLE {table}_away RENAME TO {table}")


@contextmanager
def raising(table: str, only: str = "1 = 1", on: str = "INSERT") -> Iterator[None]:
    """A trigger raises for each row of which that is true. `NEW` is the row."""
    do(*(each.format(table=table, only=only, on=on) for each in _CREATE[connection.vendor]))
    try:
        yield
    finally:
        do(*(each.format(table=table) for each in _DROP[connection.vendor]))


_CREATE = {
    "postgresql": (
        "CREATE FUNCTION raising() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'not today'; END$$",
        "CREATE TRIGGER raising BEFORE {on} ON {table} FOR EACH ROW WHEN ({only}) EXECUTE FUNCTION raising()",
    ),
    "mysql": (
        """CREATE TRIGGER raising BEFORE {on} ON {table} FOR EACH ROW
        BEGIN IF {only} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not today'; END IF; END""",
    ),
    "sqlite": (
        "CREATE TRIGGER raising BEFORE {on} ON {table} WHEN {only} BEGIN SELECT RAISE(ABORT, 'not today'); END",
    ),
}
_DROP = {
    "postgresql": ("DROP TRIGGER raising ON {table}", "DROP FUNCTION raising()"),
    "mysql": ("DROP TRIGGER raising",),
    "sqlite": ("DROP TRIGGER raising",),
}
