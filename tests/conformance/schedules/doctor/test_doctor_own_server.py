"""What the doctor finds in a PostgreSQL server that this test may change: states that would be in the way of others.

Its standby is a session of the replication protocol that says which rows it still reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, connections
from psycopg import pq

from schedules.doctor import postgresql
from schedules.doctor.findings import Case
from tests.chaos.private_servers import private_server
from tests.databases import django_settings
from tests.processes import eventually
from worker.clock import database_now

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.only_on("postgresql")]

OWN = "own server"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Its URL. It takes prepared transactions."""
    with private_server("postgresql") as (server, url):
        execute(url, "ALTER SYSTEM SET max_prepared_transactions = 2")
        server.crash()
        server.start()
        eventually(lambda: answers(url), within=30)
        yield url


@pytest.fixture
def case(server: str) -> Iterator[Case]:
    wrapper = connection.copy(OWN)
    wrapper.settings_dict.update(django_settings(server))
    connections[OWN] = wrapper
    with closing(wrapper):
        now = database_now(OWN)
        yield Case(OWN, now, lambda: now)
    del connections[OWN]


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        for statement in statements:
            session.execute(statement.encode())


def ask(url: str, question: str) -> Any:
    with psycopg.connect(url, autocommit=True) as session:
        row = session.execute(question.encode()).fetchone()
        return row and row[0]


def answers(url: str) -> bool:
    try:
        execute(url)
    except psycopg.OperationalError:
        return False
    return True


def test_a_prepared_transaction_is_named_until_its_remedy_is_applied(
    server: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(server, "BEGIN", "CREATE TABLE written (id int)", "PREPARE TRANSACTION 'forgotten'")
    assert [each.code for each in postgresql.prepared_transactions(case)] == ["prepared-transactions"]

    monkeypatch.setattr(postgresql, "LONG", timedelta(0))
    (finding,) = postgresql.prepared_transactions(case)
    assert (finding.code, finding.severity) == ("old-prepared-transaction", "warning")
    assert finding.facts["gid"] == "forgotten"
    assert "ROLLBACK PREPARED" in finding.remedy

    execute(server, "ROLLBACK PREPARED 'forgotten'")
    assert [each.code for each in postgresql.prepared_transactions(case)] == ["prepared-transactions"]


def test_a_slot_is_named_when_its_standby_is_far_behind_or_gone(
    server: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with standby_that_reads_old_rows(server, "standby"):
        eventually(lambda: ask(server, "SELECT xmin IS NOT NULL FROM pg_replication_slots"))
        assert slots(case) == {"replication-slots": None}

        with monkeypatch.context() as patch:
            patch.setattr(postgresql, "FAR_BEHIND", -1)
            assert slots(case) == {"old-replication-slot": True}

    eventually(lambda: slots(case) == {"old-replication-slot": False})
    (finding,) = postgresql.replication_slots(case)
    assert (finding.severity, finding.facts["slot"]) == ("warning", "standby")
    remedy = "SELECT pg_drop_replication_slot('standby')"
    assert remedy in finding.remedy

    execute(server, remedy)
    assert slots(case) == {"replication-slots": None}


def test_a_server_whose_autovacuum_is_switched_off_is_told_until_it_is_on(server: str, case: Case) -> None:
    def codes() -> list[str]:
        return [finding.code for finding in postgresql.autovacuum(case)]

    assert codes() == ["autovacuum"]

    execute(server, "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
    eventually(lambda: codes() == ["autovacuum-off"])

    execute(server, "ALTER SYSTEM RESET autovacuum", "SELECT pg_reload_conf()")
    eventually(lambda: codes() == ["autovacuum"])


def slots(case: Case) -> dict[str, object]:
    """Of each finding, whether it is about an active slot."""
    return {finding.code: finding.facts.get("active") for finding in postgresql.replication_slots(case)}


@contextmanager
def standby_that_reads_old_rows(url: str, slot: str) -> Iterator[None]:
    """It is connected until the block ends, and tells once which transaction it reads: the present one.

    https://www.postgresql.org/docs/current/protocol-replication.html ("Hot standby feedback message")
    """
    reads, position = ask(url, "SELECT txid_current()"), ask(url, "SELECT pg_current_wal_flush_lsn()")
    session = pq.PGconn.connect(f"{url}?replication=true".encode())
    session.exec_(f"CREATE_REPLICATION_SLOT {slot} PHYSICAL".encode())
    started = session.exec_(f"START_REPLICATION SLOT {slot} PHYSICAL {position}".encode())
    assert started.status == pq.ExecStatus.COPY_BOTH, started.error_message
    session.put_copy_data(struct.pack("!cqIIII", b"h", 0, reads, 0, 0, 0))
    session.flush()
    yield
    session.finish()
