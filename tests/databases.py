"""A test database as a URL, and as Django's settings for it.

One environment variable names the database of a test run. Whoever reads it, the tests themselves or a
process that they start, means the same database. Knows nothing of which servers there are.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

VARIABLE = "CARILLON_TEST_DATABASE"
PREFIX = "carillon_test"
POOLED = "pgbouncer"
"""PostgreSQL behind a transaction pooler: a kind of database, and the scheme of its URL."""


def name_of_this_run() -> str:
    """A name that no other run uses at the same time."""
    return f"{PREFIX}_{os.getpid()}"


def sqlite_url(name: str) -> str:
    """A file in a folder of its own, since SQLite and the leader's lock put more files beside it."""
    return f"sqlite:///{Path(tempfile.gettempdir()) / name / name}.sqlite3"


def url_of_this_run() -> str:
    """The database that the environment names; without one, a new SQLite file.

    The answer is left in the environment, where processes started by the tests find it.
    """
    return os.environ.get(VARIABLE) or os.environ.setdefault(VARIABLE, sqlite_url(name_of_this_run()))


def is_pooled() -> bool:
    """Whether a transaction pooler is in front of the database of this run."""
    return url_of_this_run().startswith(f"{POOLED}:")


def django_settings(url: str) -> dict[str, Any]:
    """The entry of `settings.DATABASES` for a database that the tests create, fill and drop."""
    parts = urlsplit(url)
    settings = _ENTRIES[parts.scheme](parts)
    if not Path(settings["NAME"]).name.startswith(PREFIX):
        raise ValueError(
            f'{VARIABLE} names "{settings["NAME"]}"; the tests drop their database, '
            f'so they take only one whose name starts with "{PREFIX}".'
        )
    # The tests use that very database, where Django would put "test_" before the name.
    settings["TEST"] = {"NAME": settings["NAME"], **settings.get("TEST", {})}
    return settings


def _sqlite(parts: SplitResult) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": parts.path.removeprefix("/"),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",
            "timeout": float(parse_qs(parts.query).get("timeout", ["20"])[0]),
        },
    }


def _postgresql(parts: SplitResult) -> dict[str, Any]:
    return {"ENGINE": "django.db.backends.postgresql", **_address(parts)}


def _pgbouncer(parts: SplitResult) -> dict[str, Any]:
    """https://docs.djangoproject.com/en/stable/ref/databases/#transaction-pooling-and-server-side-cursors"""
    return {**_postgresql(parts), "DISABLE_SERVER_SIDE_CURSORS": True}


def _mysql(parts: SplitResult) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.mysql",
        **_address(parts),
        "TEST": {"CHARSET": "utf8mb4"},
    }


def _address(parts: SplitResult) -> dict[str, Any]:
    folder_of_socket = parse_qs(parts.query).get("host", [""])[0]
    return {
        "NAME": parts.path.removeprefix("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or folder_of_socket,
        "PORT": str(parts.port or ""),
    }


_ENTRIES = {"sqlite": _sqlite, "postgresql": _postgresql, POOLED: _pgbouncer, "mysql": _mysql}
