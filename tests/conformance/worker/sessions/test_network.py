"""How long a private session and its server bear the silence of the other.

A network that is cut for real is in tests/chaos/test_cut_worker.py.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection, connections, transaction
from pytest_django import Settings

from tests.conformance.worker.queue.jobs import ALIAS, claim, enqueue, ids
from tests.processes import eventually
from worker.sessions.connection import private_connection

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.only_on("postgresql", "mysql")]


@contextmanager
def socket_of_session() -> Iterator[socket.socket]:
    with private_connection(ALIAS, "one") as using:
        session = connections[using].connection
        assert session is not None
        with socket.socket(fileno=os.dup(session.fileno())) as line:
            if line.family == socket.AF_UNIX:
                pytest.skip("the server is reached without a network")
            yield line


def patience_of(line: socket.socket) -> dict[str, int]:
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    known = [name for name in names if hasattr(socket, name)]
    return {name: line.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in known}


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has fewer options")
def test_a_session_that_hears_nothing_ends_when_its_jobs_are_given_to_others(settings: Settings) -> None:
    settings.SCHEDULER = {"RESCUE_AFTER": 40}

    with socket_of_session() as line:
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        found = patience_of(line)

    assert found == {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 40_000}


def test_a_statement_may_take_longer_than_that(settings: Settings) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.1, "RESCUE_AFTER": 0.4}
    sleep = {"postgresql": "SELECT 1 FROM pg_sleep(2)", "mysql": "SELECT SLEEP(2) + 1"}[connection.vendor]

    with private_connection(ALIAS, "one") as using, connections[using].cursor() as cursor:
        cursor.execute(sleep)
        assert cursor.fetchone() == (1,)


@pytest.mark.own_session
def test_what_a_session_had_begun_is_undone_when_it_says_no_more(settings: Settings) -> None:
    """Else the jobs that a worker was just claiming when it was stopped or cut off would stay locked, out of sight."""
    settings.SCHEDULER = {"HEARTBEAT": 0.25, "RESCUE_AFTER": 1}
    id = enqueue()

    with private_connection(ALIAS, "one") as using:
        transaction.set_autocommit(False, using=using)
        assert ids(claim(using=using)) == [id]
        assert claim() == []

        eventually(lambda: ids(claim()) == [id])
        with pytest.raises(DatabaseError):
            transaction.commit(using=using)


@pytest.mark.only_on("postgresql")
def test_what_the_project_says_of_its_network_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"connect_timeout": 7, "keepalives_idle": 77, "keepalives_count": 3, "tcp_user_timeout": 99_000}
    for name, value in said.items():
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], name, value)

    with private_connection(ALIAS, "one") as using:
        used = connections[using].connection.info.get_parameters()

    assert {name: int(used[name]) for name in said} == said
    assert int(used["keepalives_interval"]) == 3
