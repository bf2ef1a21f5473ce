"""Each check of the queue, provoked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, Tags, run_checks
from django.db import connection, connections
from pytest_django import Settings

from worker import tasks
from worker.checks import check_server
from worker.tasks import Task

pytestmark = pytest.mark.usefixtures("nothing_declared")

UseDatabase = Callable[..., Path]


@pytest.fixture
def use_database(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UseDatabase]:
    """Keep the jobs in another database, which no test connects to. Gives its file."""

    def use(engine: str = "django.db.backends.sqlite3", name: str = "", **options: Any) -> Path:
        file = tmp_path / "jobs.sqlite3"
        jobs = {**connections.settings["default"], "ENGINE": engine, "NAME": name or file, "OPTIONS": options}
        monkeypatch.setitem(connections.settings, "jobs", jobs)
        settings.SCHEDULER = {"DATABASE": "jobs"}
        return file

    yield use
    if "jobs" in connections.settings:
        del connections["jobs"]


GOOD = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL"}


def ids() -> list[str | None]:
    return [message.id for message in run_checks(tags=["worker"])]


def only() -> CheckMessage:
    (message,) = run_checks(tags=["worker"])
    return message


@pytest.mark.parametrize(
    ("pool", "threads", "found"),
    [
        ({"min_size": 1, "max_size": 4}, 8, 4),
        ({"min_size": 2}, 4, 2),
        (True, 5, 4),
        ({"max_size": 8}, 8, None),
        ({}, 8, None),
        (True, 4, None),
    ],
)
def test_a_pool_of_connections_that_is_smaller_than_the_slots_is_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, pool: Any, threads: int, found: int | None
) -> None:
    settings.SCHEDULER = {"THREADS": threads}
    given = {**connections.settings["default"], "OPTIONS": {"pool": pool}}
    monkeypatch.setitem(connections.settings, "other", given)

    messages = [each for each in run_checks(tags=["worker"]) if each.id == "worker.W004"]
    assert [each.msg.startswith(f'The pool of database "other" has at most {found}') for each in messages] == (
        [] if found is None else [True]
    )


def test_an_unknown_option_is_an_error_with_the_nearest(settings: Settings) -> None:
    settings.SCHEDULER = {"TREADS": 4}

    assert (only().id, only().msg) == (
        "worker.E001",
        'SCHEDULER["TREADS"] is not an option. Did you mean "THREADS"?',
    )


def test_every_fault_of_the_options_is_told_at_once(settings: Settings) -> None:
    settings.SCHEDULER = {"THREADS": 0, "LOCK": "padlock", "DATABASE": "nowhere"}

    assert ids() == ["worker.E001"] * 3


@pytest.mark.parametrize("scheduler", [None, [], "x", {3: 4}, {"HEARTBEAT": "x", "RESCUE_AFTER": None}])
def test_options_of_another_shape_are_an_error_and_no_crash(settings: Settings, scheduler: Any) -> None:
    settings.SCHEDULER = scheduler

    assert set(ids()) == {"worker.E001"}


def test_a_database_of_another_kind_is_an_error(use_database: UseDatabase) -> None:
    use_database(engine="django.db.backends.dummy")

    assert only().id == "worker.E003"
    assert "postgresql, mysql, sqlite" in only().msg


def test_an_old_sqlite_is_an_error(use_database: UseDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    use_database(**GOOD)
    monkeypatch.setattr("django.db.backends.sqlite3.base.DatabaseWrapper.Database.sqlite_version_info", (3, 34, 1))

    assert (only().id, only().msg) == ("worker.E004", "SQLite 3.34.1 is too old: it has no RETURNING.")


def test_sqlite_as_the_documentation_sets_it_up_passes(use_database: UseDatabase) -> None:
    use_database(**GOOD)

    assert ids() == []


@pytest.mark.parametrize("mode", [None, "DEFERRED"])
def test_transactions_that_do_not_say_that_they_will_write_are_a_warning(use_database: UseDatabase, mode: Any) -> None:
    use_database(**{**GOOD, "transaction_mode": mode})

    assert only().id == "worker.W001"
    assert only().hint == 'Set DATABASES["jobs"]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".'


def test_a_file_without_a_write_ahead_log_is_a_warning_with_the_setting_to_write(use_database: UseDatabase) -> None:
    use_database(transaction_mode="IMMEDIATE")

    assert only().id == "worker.W002"
    assert only().hint == ('Set DATABASES["jobs"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode = WAL".')


@pytest.mark.parametrize(("mode", "expected"), [("wal", []), ("delete", ["worker.W002"])])
def test_the_mode_that_the_file_keeps_counts(use_database: UseDatabase, mode: str, expected: list[str]) -> None:
    file = use_database(transaction_mode="IMMEDIATE")
    with closing(sqlite3.connect(file)) as session:
        session.execute(f"PRAGMA journal_mode = {mode}")
        session.execute("CREATE TABLE anything (id)")
        session.commit()

    assert ids() == expected


def test_a_database_in_memory_needs_no_write_ahead_log(use_database: UseDatabase) -> None:
    use_database(name=":memory:", transaction_mode="IMMEDIATE")

    assert ids() == []


@pytest.mark.parametrize(("kept_in", "expected"), [("sqlite3", ["worker.W003"]), ("postgresql", [])])
def test_an_atomic_task_on_sqlite_is_a_warning(use_database: UseDatabase, kept_in: str, expected: list[str]) -> None:
    use_database(engine=f"django.db.backends.{kept_in}", **(GOOD if kept_in == "sqlite3" else {}))
    tasks.register(Task(print, "shop.print", atomic=True))
    tasks.register(Task(print, "shop.print_too"))

    assert ids() == expected
    assert all("atomic task shop.print keeps" in message.msg for message in run_checks(tags=["worker"]))


def asked(database: str) -> list[str | None]:
    """The ids of what is wrong with its server."""
    messages = run_checks(tags=[Tags.database], databases=[database])
    return [message.id for message in messages if str(message.id).startswith("worker.")]


def test_a_server_of_mysql_without_skip_locked_is_an_error(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked("default") == []

    monkeypatch.setitem(connection.features.__dict__, "has_select_for_update_skip_locked", False)

    assert asked("default") == (["worker.E005"] if connection.vendor == "mysql" else [])
    assert ids() == []


@pytest.mark.only_on("mysql")  # the only kind that is asked for its version
def test_a_server_that_does_not_answer_breaks_no_check(database: None, use_database: UseDatabase) -> None:
    use_database(engine="django.db.backends.mysql", name="jobs", connect_timeout=1)
    connections["jobs"].settings_dict.update(HOST="127.0.0.1", PORT="1")

    assert check_server(None, databases=["jobs"]) == []
