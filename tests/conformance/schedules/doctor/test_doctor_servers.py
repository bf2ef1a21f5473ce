"""What the doctor finds in each kind of database: in other sessions, in tables, in the file.

For what would be in the way of others, PostgreSQL has `test_doctor_own_server`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction

from schedules.doctor import mysql, postgresql, sqlite
from schedules.doctor.findings import Bytes, Finding
from tests.conformance.model.virtual import ALIAS
from tests.conformance.schedules.doctor.test_doctor import case, found, severities
from tests.processes import eventually
from worker.models import WorkerProcess
from worker.sessions.connection import private_connection

pytestmark = pytest.mark.usefixtures("database")

on_postgresql = pytest.mark.only_on("postgresql")
on_mysql = pytest.mark.only_on("mysql")
on_sqlite = pytest.mark.only_on("sqlite")


def execute(sql: str, using: str = ALIAS) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(sql)


@contextmanager
def open_transaction(*statements: str) -> Iterator[int]:
    """Another session that has done so much, and idles. Gives its id."""
    with private_connection(ALIAS, "forgetful") as using, transaction.atomic(using=using):
        for statement in statements:
            execute(statement, using)
        raw: Any = connections[using].connection
        yield raw.info.backend_pid if connection.vendor == "postgresql" else raw.thread_id()


def named(examinations: Any, code: str, fact: str) -> list[Any]:
    """That fact of each such finding."""
    return [finding.facts[fact] for finding in examinations(case()) if finding.code == code]


# PostgreSQL


SNAPSHOT = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
WRITE = ("CREATE TEMPORARY TABLE written (id int)",)


@on_postgresql
@pytest.mark.parametrize("statements", [SNAPSHOT, WRITE], ids=["snapshot", "write"])
def test_a_transaction_that_holds_back_vacuum_is_named_with_its_pid(
    monkeypatch: pytest.MonkeyPatch, statements: tuple[str, ...]
) -> None:
    with open_transaction(*statements) as pid:
        assert severities(postgresql.transactions) == {"snapshots": "ok"}

        monkeypatch.setattr(postgresql, "LONG", timedelta(0))

        (finding,) = found(postgresql.transactions).values()
    assert (finding.code, finding.severity, finding.facts["pid"]) == ("old-snapshot", "warning", pid)
    assert finding.facts["state"] == "idle in transaction"
    assert finding.facts["query"] == statements[-1]
    assert f"pg_terminate_backend({pid})" in finding.remedy
    assert "idle_in_transaction_session_timeout" in finding.remedy


@on_postgresql
@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT 'hunter2', 1", "SELECT …"),
        ('SELECT 1 AS "a", $$hunter2$$', 'SELECT 1 AS "a", …'),
        ("SELECT E'\\'hunter2'", "SELECT E…"),
        ("SELECT 7 AS user_api_key", "SELECT 7 AS user_api_key"),
    ],
)
def test_of_the_statement_of_a_transaction_no_text_is_shown(
    monkeypatch: pytest.MonkeyPatch, statement: str, shown: str
) -> None:
    monkeypatch.setattr(postgresql, "LONG", timedelta(0))

    with open_transaction(*SNAPSHOT, statement):
        (finding,) = found(postgresql.transactions).values()

    assert finding.facts["query"] == shown


@on_postgresql
def test_a_transaction_that_holds_nothing_back_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "LONG", timedelta(0))

    with open_transaction("SELECT 1"):
        assert severities(postgresql.transactions) == {"snapshots": "ok"}


@on_postgresql
def test_sessions_that_may_not_be_seen_are_counted_with_the_grant_that_shows_them() -> None:
    with open_transaction("SELECT 1"):
        execute("SET ROLE pg_signal_backend")
        try:
            finding = found(postgresql.transactions)["not-seen"]
        finally:
            execute("RESET ROLE")
        assert "not-seen" not in found(postgresql.transactions)

    assert finding.severity == "unknown"
    assert finding.remedy == "GRANT pg_read_all_stats TO pg_signal_backend"


@on_postgresql
def test_a_server_that_counts_no_dead_rows_vacuums_nothing_and_that_is_told() -> None:
    execute("SET track_counts = off")
    try:
        assert severities(postgresql.autovacuum) == {"autovacuum-off": "warning"}
    finally:
        execute("RESET track_counts")


@on_postgresql
def test_a_table_whose_autovacuum_is_off_is_named_and_else_their_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "MANY_DEAD", 10**9)  # whatever other tests have left behind
    table = WorkerProcess._meta.db_table
    assert isinstance(found(postgresql.vacuum)["vacuum"].facts[table], Bytes)

    execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    try:
        (finding,) = found(postgresql.vacuum).values()
    finally:
        execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)")

    assert (finding.code, finding.severity, finding.facts["table"]) == ("autovacuum-off-table", "warning", table)


@on_postgresql
def test_dead_rows_that_nobody_vacuums_are_told_until_somebody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    table = WorkerProcess._meta.db_table
    execute(f"VACUUM {table}")
    now = case().now
    rows = [WorkerProcess(name="w", slots=1, started_at=now, heartbeat_at=now) for _ in range(20)]
    WorkerProcess.objects.bulk_create(rows)
    WorkerProcess.objects.all().delete()
    monkeypatch.setattr(postgresql, "UNVACUUMED", timedelta(0))
    assert table not in named(postgresql.vacuum, "unvacuumed", "table")

    monkeypatch.setattr(postgresql, "MANY_DEAD", 10)
    eventually(lambda: table in named(postgresql.vacuum, "unvacuumed", "table"))  # statistics come later

    with monkeypatch.context() as patch:
        patch.setattr(postgresql, "UNVACUUMED", timedelta(minutes=10))  # it was vacuumed just now
        assert table not in named(postgresql.vacuum, "unvacuumed", "table")
    execute(f"VACUUM {table}")
    eventually(lambda: table not in named(postgresql.vacuum, "unvacuumed", "table"))


# MariaDB and MySQL


def of_session(session: int) -> list[Finding]:
    """Others work on the same server. It looks anew only if it was not asked for a tenth of a second."""
    execute("DO SLEEP(0.11)")
    return [finding for finding in mysql.transactions(case()) if finding.facts.get("session") == session]


@on_mysql
def test_a_transaction_that_keeps_innodb_from_purging_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    execute("SET time_zone = '+05:00'")
    try:
        with open_transaction("SELECT * FROM worker_job") as session:
            assert not of_session(session)

            monkeypatch.setattr(mysql, "LONG", timedelta(seconds=-1))  # it counts whole seconds

            (finding,) = eventually(lambda: of_session(session))
    finally:
        execute("SET time_zone = DEFAULT")
    assert (finding.code, finding.severity, finding.facts["command"]) == ("old-snapshot", "warning", "Sleep")
    assert finding.facts["database"] == connection.settings_dict["NAME"]
    assert f"KILL {session}" in finding.remedy


@on_mysql
def test_a_long_history_of_innodb_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "LONG_HISTORY", 10**12)
    assert severities(mysql.history) == {"history": "ok"}

    monkeypatch.setattr(mysql, "LONG_HISTORY", -1)
    assert severities(mysql.history) == {"long-history": "warning"}


@on_mysql
def test_an_isolation_that_locks_gaps_is_told() -> None:
    assert severities(mysql.isolation) == {"isolation": "ok"}

    execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    try:
        assert severities(mysql.isolation) == {"isolation-too-strict": "warning"}
    finally:
        execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


@on_mysql
def test_a_table_without_transactions_is_an_error() -> None:
    table = WorkerProcess._meta.db_table
    assert isinstance(found(mysql.tables)["tables"].facts[table], Bytes)

    execute(f"ALTER TABLE {table} ENGINE = MyISAM")
    try:
        (finding,) = found(mysql.tables).values()
    finally:
        execute(f"ALTER TABLE {table} ENGINE = InnoDB")

    assert (finding.code, finding.severity, finding.facts["table"]) == ("no-transactions", "error", table)


# SQLite


@contextmanager
def pragma(name: str, value: object, restored: object) -> Iterator[None]:
    execute(f"PRAGMA {name} = {value}")
    try:
        yield
    finally:
        execute(f"PRAGMA {name} = {restored}")


@on_sqlite
@pytest.mark.parametrize(
    ("name", "value", "restored", "code"),
    [
        ("journal_mode", "DELETE", "WAL", "no-write-ahead-log"),
        ("synchronous", "OFF", "NORMAL", "not-synchronous"),
        ("busy_timeout", 200, 20_000, "short-timeout"),
    ],
)
def test_what_is_in_force_in_the_session_is_told(name: str, value: object, restored: object, code: str) -> None:
    assert severities(sqlite.file) == {"file": "ok"}

    with pragma(name, value, restored):
        assert severities(sqlite.file) == {code: "warning"}


@on_sqlite
@pytest.mark.parametrize(
    ("mounts", "code"),
    [
        ("disk / ext4 rw 0 0", "file-system"),
        ("disk / ext4 rw 0 0\nserver:/home {folder} nfs4 rw 0 0", "network-file-system"),
        ("server:/ / nfs rw 0 0\ndisk {folder} ext4 rw 0 0", "file-system"),
        ("disk {folder} ext4 rw 0 0\nserver:/x {folder} cifs rw 0 0", "network-file-system"),
        ("disk / ext4 rw 0 0\nserver:/x {folder}/deeper nfs4 rw 0 0", "file-system"),
    ],
)
def test_a_file_on_a_network_file_system_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mounts: str, code: str
) -> None:
    folder = Path(connection.settings_dict["NAME"]).resolve().parent
    (tmp_path / "mounts").write_text(mounts.format(folder=str(folder).replace(" ", r"\040")))
    monkeypatch.setattr(sqlite, "MOUNTS", tmp_path / "mounts")

    (finding,) = found(sqlite.file_system).values()

    assert (finding.code, finding.severity) == (code, "error" if code.startswith("network") else "ok")


@on_sqlite
def test_where_mounts_cannot_be_read_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sqlite, "MOUNTS", tmp_path / "nothing")

    assert severities(sqlite.file_system) == {}


def test_blanks_in_the_place_of_a_mount_are_read() -> None:
    kind = sqlite._kind_of_file_system(Path("/mnt/my data/db"), "d / ext4 rw 0 0\ns /mnt/my\\040data nfs rw 0 0\n")

    assert kind == "nfs"
