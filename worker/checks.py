"""System checks of the queue: its options, and whether its database can hold it. Ids: docs/reference/checks.md.

They look at settings. They ask the database only if Django says that they may. How work is going is not for checks: see
`list_schedule --check`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags
from django.db import DatabaseError, connections

from worker import codec, tasks
from worker.carry import carriers
from worker.options import options, problems

SUPPORTED = ("postgresql", "mysql", "sqlite")
OLDEST_SQLITE = (3, 35)
"""The first with RETURNING."""


@checks.register("worker")
def check_options(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return [Error(problem, id="worker.E001") for problem in problems()]


@checks.register("worker")
def check_carriers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return [] if any(problems()) else [Error(problem, id="worker.E007") for problem in carriers.problems()]


@checks.register("worker")
def check_codec(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    return [] if any(problems()) else [Error(problem, id="worker.E008") for problem in codec.problems()]


@checks.register("worker")
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if any(problems()):
        return []
    connection = connections[options().DATABASE]
    if connection.vendor not in SUPPORTED:
        return [
            Error(
                f'SCHEDULER["DATABASE"] is "{connection.alias}", whose kind is {connection.vendor}; '
                f"jobs can be kept in {', '.join(SUPPORTED)}.",
                hint='Name the alias of such a database in SCHEDULER["DATABASE"].',
                id="worker.E003",
            )
        ]
    return [*_sqlite_faults(connection), *_sqlite_writers(connection)] if connection.vendor == "sqlite" else []


@checks.register("worker")
def check_pools(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A job may use any database, and has a connection of its own to each that it uses."""
    if any(problems()):
        return []
    slots = options().THREADS
    return [
        checks.Warning(
            f'The pool of database "{alias}" has at most {most} connections, but a worker runs {slots} jobs at once: '
            "some would wait for others, and fail if that takes too long.",
            hint=f'Set DATABASES["{alias}"]["OPTIONS"]["pool"]["max_size"] = {slots}, or more.',
            id="worker.W004",
        )
        for alias, given in settings.DATABASES.items()
        if (most := _most_pooled(given)) is not None and most < slots
    ]


def _most_pooled(database: Mapping[str, Any]) -> int | None:
    """https://www.psycopg.org/psycopg3/docs/api/pool.html: without a greatest size it is the smallest, which is 4."""
    pool = database.get("OPTIONS", {}).get("pool")
    if not pool:
        return None
    given = pool if isinstance(pool, Mapping) else {}
    most: int = given.get("max_size") or given.get("min_size", 4)
    return most


@checks.register(Tags.database)
def check_server(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    if any(problems()) or options().DATABASE not in (databases or ()):
        return []
    connection = connections[options().DATABASE]
    try:
        skips_locked = connection.vendor != "mysql" or connection.features.has_select_for_update_skip_locked
    except DatabaseError:  # a server that does not answer is shown by whatever needs it
        return []
    if skips_locked:
        return []
    return [
        Error(
            f'The server of database "{connection.alias}" is too old: it has no SKIP LOCKED.',
            hint="Use MySQL 8 or later, or MariaDB 10.6 or later.",
            id="worker.E005",
        )
    ]


def _sqlite_faults(connection: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    alias, given = connection.alias, connection.settings_dict.get("OPTIONS", {})
    version = connection.Database.sqlite_version_info
    if version < OLDEST_SQLITE:
        found.append(
            Error(
                f"SQLite {'.'.join(map(str, version))} is too old: it has no RETURNING.",
                hint="Use SQLite 3.35 or later.",
                id="worker.E004",
            )
        )
    if str(given.get("transaction_mode")).upper() not in ("IMMEDIATE", "EXCLUSIVE"):
        found.append(
            checks.Warning(
                f'Transactions in database "{alias}" take the write lock only when they first write, '
                'so they fail with "database is locked" instead of waiting.',
                hint=_option(alias, "transaction_mode", "IMMEDIATE"),
                id="worker.W001",
            )
        )
    if not _has_write_ahead_log(connection):
        found.append(
            checks.Warning(
                f'Database "{alias}" has no write-ahead log, so readers and workers wait for each other.',
                hint=_option(alias, "init_command", "PRAGMA journal_mode = WAL"),
                id="worker.W002",
            )
        )
    return found


def _sqlite_writers(connection: Any) -> list[CheckMessage]:
    return [
        checks.Warning(
            f"From its first write until it ends, the atomic task {task.name} keeps all others from writing to "
            f'the database "{connection.alias}": SQLite has one writer at a time.',
            hint="Let it write late and end soon, or keep the jobs in PostgreSQL or MariaDB.",
            id="worker.W003",
        )
        for task in tasks.registered()
        if task.atomic
    ]


def _option(alias: str, option: str, value: str) -> str:
    return f'Set DATABASES["{alias}"]["OPTIONS"]["{option}"] = "{value}".'


def _has_write_ahead_log(connection: Any) -> bool:
    """By the settings, or by the header of the file: SQLite keeps the mode there. In memory there is none to keep."""
    command = str(connection.settings_dict.get("OPTIONS", {}).get("init_command", ""))
    if connection.is_in_memory_db() or "journal_mode=wal" in command.replace(" ", "").lower():
        return True
    try:
        with Path(connection.settings_dict["NAME"]).open("rb") as file:
            return file.read(20)[18:] == b"\2\2"  # https://www.sqlite.org/fileformat.html, 1.3.3
    except OSError:
        return False
