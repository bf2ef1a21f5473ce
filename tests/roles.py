"""A role of its own, from which a privilege on one table is taken for a while, as on ordinary days.

SQLite has no roles: there an authorizer of each session forbids the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from tests.databases import name_of_this_run

PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE"


class Role(NamedTuple):
    """May do all with each table that there is, and only that. Its password is its name."""

    name: str
    told: str
    """As statements name it."""

    @contextmanager
    def without(self, privilege: str, table: str) -> Iterator[None]:
        do(f"REVOKE {privilege} ON {table} FROM {self.told}")
        try:
            yield
        finally:
            do(f"GRANT {privilege} ON {table} TO {self.told}")


@contextmanager
def role_of_test() -> Iterator[Role]:
    """On a server."""
    name = f"{name_of_this_run()}_role"
    told, create, drop = _ROLES[connection.vendor](name)
    do(*create)
    try:
        do(*(f"GRANT {PRIVILEGES} ON {table} TO {told}" for table in connection.introspection.table_names()))
        yield Role(name, told)
    finally:
        do(*drop)


@contextmanager
def sessions_of(role: Role) -> Iterator[None]:
    """What is opened in this block is the role's. The session of the test stays its own."""
    settings = connections.settings[DEFAULT_DB_ALIAS]
    own = {name: settings[name] for name in ("USER", "PASSWORD")}
    settings.update(USER=role.name, PASSWORD=role.name)
    try:
        yield
    finally:
        settings.update(own)


class Authorizer:
    """Of the sessions with SQLite that were opened since `listen`, but for the test's own."""

    def __init__(self) -> None:
        self.denied: set[tuple[int, str]] = set()

    def listen(self, connection: BaseDatabaseWrapper, **_: Any) -> None:
        if connection.alias != DEFAULT_DB_ALIAS:
            connection.connection.set_authorizer(self._answer)

    @contextmanager
    def without(self, privilege: str, table: str) -> Iterator[None]:
        self.denied.add((_ACTIONS[privilege], table))
        try:
            yield
        finally:
            self.denied.clear()

    def _answer(self, action: int, table: str | None, *_: Any) -> int:
        return sqlite3.SQLITE_DENY if (action, table) in self.denied else sqlite3.SQLITE_OK


@contextmanager
def _no_statement_kept() -> Iterator[None]:
    """An authorizer is asked when a statement is prepared. So sessions that are opened in this block keep none.

    To set it anew would have all prepared anew, but waits for what the session does, which may wait for Python.
    """
    settings = connections.settings[DEFAULT_DB_ALIAS]
    own = settings["OPTIONS"]
    settings["OPTIONS"] = {**own, "cached_statements": 0}
    try:
        yield
    finally:
        settings["OPTIONS"] = own


@contextmanager
def taken_from_other_sessions() -> Iterator[Role | Authorizer]:
    """Gives what has `without(privilege, table)`: a block in which sessions that are opened from now on lack it."""
    if connection.vendor == "sqlite":
        authorizer = Authorizer()
        connection_created.connect(authorizer.listen)
        try:
            with _no_statement_kept():
                yield authorizer
        finally:
            connection_created.disconnect(authorizer.listen)
        return
    with role_of_test() as role, sessions_of(role):
        yield role


def do(*statements: str) -> None:
    with connection.cursor() as cursor:
        for each in statements:
            cursor.execute(each)


_ACTIONS = {
    "SELECT": sqlite3.SQLITE_READ,
    "INSERT": sqlite3.SQLITE_INSERT,
    "UPDATE": sqlite3.SQLITE_UPDATE,
    "DELETE": sqlite3.SQLITE_DELETE,
}


def _on_postgresql(name: str) -> tuple[str, list[str], list[str]]:
    return (
        name,
        [
            f"CREATE ROLE {name} LOGIN PASSWORD '{name}'",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}",
        ],
        [f"DROP OWNED BY {name}", f"DROP ROLE {name}"],
    )


def _on_mysql(name: str) -> tuple[str, list[str], list[str]]:
    told = f"'{name}'@'%'"
    return told, [f"CREATE USER {told} IDENTIFIED BY '{name}'"], [f"DROP USER {told}"]


_ROLES: dict[str, Callable[[str], tuple[str, list[str], list[str]]]] = {
    "postgresql": _on_postgresql,
    "mysql": _on_mysql,
}
"""As statements name it, what creates it, and what drops it."""
