"""The few statements that differ between databases. One object a kind of database; `dialect_of` picks it."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper

from worker.dialects.mysql import MySQL
from worker.dialects.portable import Dialect
from worker.dialects.postgresql import PostgreSQL
from worker.dialects.sqlite import SQLite

_DIALECTS: dict[str, Dialect] = {"postgresql": PostgreSQL(), "mysql": MySQL(), "sqlite": SQLite()}


def dialect_of(connection: BaseDatabaseWrapper) -> Dialect:
    """Raises ImproperlyConfigured where the queue cannot live in that kind of database."""
    try:
        return _DIALECTS[connection.vendor]
    except KeyError:
        raise ImproperlyConfigured(
            f'The database "{connection.alias}" is {connection.vendor}; '
            f'jobs can be kept in {", ".join(_DIALECTS)}. Name another alias in SCHEDULER["DATABASE"].'
        ) from None
