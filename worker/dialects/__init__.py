"""The queue's statements, and how databases differ in them. One object a kind of database; `dialect_of` picks it."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper

from worker.dialects import mysql, postgresql, sqlite
from worker.dialects.dialect import Dialect

_DIALECTS: dict[str, Dialect] = {
    "postgresql": postgresql.dialect(),
    "mysql": mysql.dialect(),
    "sqlite": sqlite.dialect(),
}


def dialect_of(connection: BaseDatabaseWrapper) -> Dialect:
    """Raises ImproperlyConfigured where the queue cannot live in that kind of database."""
    try:
        return _DIALECTS[connection.vendor]
    except KeyError:
        raise ImproperlyConfigured(
            f'The database "{connection.alias}" is {connection.vendor}; '
            f'jobs can be kept in {", ".join(_DIALECTS)}. Name another alias in SCHEDULER["DATABASE"].'
        ) from None
