"""Where the queues keep their jobs: each run gets a new copy of a store in which the queue has been prepared.

Databases bear a name of this run, and Redis lends one of its numbered databases that holds nothing. All of it is
gone at the end. Knows no queue.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests import servers

REDIS_VARIABLE = "CARILLON_REDIS"
_USUAL_REDIS = "redis://127.0.0.1:6379"
_LAST_OF_REDIS = 15


class Store(Protocol):
    """A kind of store. `name` is that of a prepared original, or of a copy."""

    variable: str
    """The environment variable that tells a peer where its store is."""

    def make(self, name: str) -> str:
        """An empty one. Returns what the variable should say."""

    def copy(self, original: str, name: str) -> str:
        """Returns what the variable should say."""

    def settle(self, name: str) -> None:
        """What the store would have done by itself, had the jobs come in less of a hurry."""

    def drop(self, name: str) -> None: ...


class PostgreSQL:
    variable = "PEERS_POSTGRESQL"

    def __init__(self, while_needed: ExitStack) -> None:
        self._server = servers.postgresql(while_needed)

    def make(self, name: str) -> str:
        self._create(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._server.url(name)

    def copy(self, original: str, name: str) -> str:
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._create(command.format(sql.Identifier(name), sql.Identifier(original)))
        return self._server.url(name)

    def settle(self, name: str) -> None:
        with psycopg.connect(self._server.url(name), autocommit=True) as connection:
            connection.execute("ANALYZE")

    def drop(self, name: str) -> None:
        self._server.drop(name)

    def _create(self, command: sql.Composed) -> None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute(command)


class SQLite:
    variable = "PEERS_SQLITE"

    def make(self, name: str) -> str:
        folder = _folder(name)
        folder.mkdir()
        return str(folder / "store.sqlite3")

    def copy(self, original: str, name: str) -> str:
        shutil.copytree(_folder(original), _folder(name))
        return str(_folder(name) / "store.sqlite3")

    def settle(self, name: str) -> None:
        pass

    def drop(self, name: str) -> None:
        shutil.rmtree(_folder(name), ignore_errors=True)


class Redis:
    variable = "PEERS_REDIS"

    def __init__(self) -> None:
        self._server = os.environ.get(REDIS_VARIABLE, _USUAL_REDIS)
        self._number = self._one_that_is_empty()

    def make(self, name: str) -> str:
        return f"{self._server}/{self._number}"

    def copy(self, original: str, name: str) -> str:
        return self.make(name)

    def settle(self, name: str) -> None:
        pass

    def drop(self, name: str) -> None:
        self._ask(self._number, "FLUSHDB")

    def _one_that_is_empty(self) -> int:
        for number in range(_LAST_OF_REDIS, 0, -1):
            if self._ask(number, "DBSIZE") == ":0":
                return number
        raise servers.Unavailable(f"no database of {self._server} is empty")

    def _ask(self, number: int, command: str) -> str:
        parts = urlsplit(self._server)
        try:
            with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout=5) as talk:
                talk.sendall(f"SELECT {number}\r\n{command}\r\nQUIT\r\n".encode())
                selected, answer, _ = talk.makefile().read().splitlines()
        except (OSError, ValueError) as error:
            raise servers.Unavailable(
                f"no Redis at {self._server} ({error}); {REDIS_VARIABLE} names another"
            ) from error
        return answer if selected == "+OK" else selected


def find(kind: str, while_needed: ExitStack) -> Store:
    """Raises `servers.Unavailable`."""
    match kind:
        case "postgresql":
            return PostgreSQL(while_needed)
        case "redis":
            return Redis()
        case _:
            return SQLite()


@contextmanager
def lent(store: Store, name: str, original: str | None = None) -> Iterator[str]:
    """An empty store, or a copy, for as long as the block runs. Gives what the variable should say."""
    store.drop(name)
    try:
        yield store.make(name) if original is None else store.copy(original, name)
    finally:
        store.drop(name)


def _folder(name: str) -> Path:
    return Path(tempfile.gettempdir()) / name
