"""Refusals that ordinary days bring: a table is away for a while. The session lives on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def renamed(table: str) -> Iterator[None]:
    """Somebody has moved it, as some migrations do, until the block ends."""
    _do(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        _do(f"ALTER TABLE {table}_away RENAME TO {table}")


def _do(*statements: str) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)
