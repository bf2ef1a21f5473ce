"""Limits that an administrator has set on sessions: the doctor names those that are short for jobs; the processes live.

They are set as the project would, in `OPTIONS`: what comes from a role, a database or a configuration is the same to
the session. That they are told from where they come is tested beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from schedules.doctor import timeouts
from schedules.doctor.findings import Case, Finding
from tests.app.tasks import leave_trace
from tests.conformance.schedules.doctor.test_doctor import case
from tests.conformance.worker.process.workers import Crew, heard
from tests.conformance.worker.queue.jobs import ALIAS
from tests.processes import eventually
from worker import signals
from worker.models import FinishedJob, WorkerProcess
from worker.sessions.connection import private_connection
from worker.wakeup import READY
from worker.wakeup.listening import Listener

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.own_session]

on_postgresql = pytest.mark.only_on("postgresql")
on_mysql = pytest.mark.only_on("mysql")

Limit = Callable[[str, str], None]


@pytest.fixture
def limit(database: None) -> Iterator[Limit]:
    """Set that limit for all sessions of the project that begin from now on."""
    with pytest.MonkeyPatch.context() as until_the_end:

        def set_limit(name: str, value: str) -> None:
            option, begin, between, one = OPTIONS[connection.vendor]
            given = connections.settings[ALIAS]["OPTIONS"]
            before = f"{given[option]}{between}" if given.get(option) else begin
            until_the_end.setitem(given, option, before + one.format(name=name, value=value))
            connection.close()

        yield set_limit
        connection.close()


OPTIONS = {
    "postgresql": ("options", "", " ", "-c {name}={value}"),
    "mysql": ("init_command", "SET SESSION ", ", ", "{name} = {value}"),
}
"""Where to set one, and how: what comes before the first, between two, and each."""


def examined() -> list[Finding]:
    look: Callable[[Case], Iterator[Finding]] = {
        "postgresql": timeouts.on_postgresql,
        "mysql": timeouts.on_mysql,
    }[connection.vendor]
    return list(look(case()))


def assert_named(name: str, seconds: int) -> None:
    (finding,) = examined()
    assert (finding.code, finding.severity) == ("short-session-timeout", "warning")
    assert finding.facts == {"setting": name, "timeout": timedelta(seconds=seconds)}
    assert finding.summary.startswith(f"{name} is short for jobs. ")
    assert name in finding.remedy


def _known(name: str) -> bool:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT 1 FROM pg_settings WHERE name = %s", [name])
        else:
            cursor.execute("SHOW VARIABLES LIKE %s", [name])
        return cursor.fetchone() is not None


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=on_postgresql) for name in timeouts.POSTGRESQL),
        *(pytest.param(name, marks=on_mysql) for name in timeouts.MYSQL),
    ],
)
def test_a_limit_that_is_short_for_jobs_is_named_with_what_it_does_and_what_to_do(name: str, limit: Limit) -> None:
    if not _known(name):
        pytest.skip(f"this server has no {name}")
    in_seconds = 1 if connection.vendor == "mysql" and name != "max_execution_time" else 1000
    assert [each.code for each in examined()] == ["session-timeouts"]

    limit(name, str(30 * in_seconds))

    assert_named(name, 30)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("statement_timeout", "10min", marks=on_postgresql),
        pytest.param("max_statement_time", "600", marks=on_mysql),
    ],
)
def test_a_limit_that_is_long_enough_is_told_as_well(name: str, value: str, limit: Limit) -> None:
    limit(name, value)

    (finding,) = examined()

    assert (finding.code, finding.severity) == ("session-timeouts", "ok")
    assert finding.facts[name] == timedelta(minutes=10)


@on_postgresql
def test_what_was_set_for_the_role_or_the_database_is_found_and_its_remedy_mends_it() -> None:
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE \"{name}\" SET statement_timeout = '5s'")
    connection.close()
    try:
        assert_named("statement_timeout", 5)
        (finding,) = examined()
        with connection.cursor() as cursor:
            cursor.execute(finding.remedy.partition(", or as long")[0])
        connection.close()
        assert [each.code for each in examined()] == ["session-timeouts"]
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{name}" RESET ALL')
            cursor.execute(f'ALTER ROLE CURRENT_USER IN DATABASE "{name}" RESET ALL')
        connection.close()


LIMITS = {
    "postgresql": {
        "statement_timeout": "300",
        "lock_timeout": "200",
        "idle_in_transaction_session_timeout": "200",
        "idle_session_timeout": "300",
    },
    "mysql": {"innodb_lock_wait_timeout": "1", "wait_timeout": "1"},
}


@pytest.mark.only_on("postgresql", "mysql")
def test_under_all_of_them_a_worker_goes_on_and_its_listener_stays(crew: Crew, limit: Limit) -> None:
    for name, value in LIMITS[connection.vendor].items():
        limit(name, value)
    hand = crew.start(threads=1)
    with heard(signals.database_lost) as lost, Listener(ALIAS, {READY: hand.worker.wake}):
        before = eventually(lambda: hand.id)
        with locked_roster():
            connection.close()  # it has been idle for too long
            job = leave_trace("after the lock")
            eventually(lambda: lost)
        connection.close()
        eventually(FinishedJob.objects.filter(pk=job.pk, state="succeeded", attempts=1).exists, within=20)

    assert hand.id == before
    assert "listener" not in {each["name"] for each in lost}


@contextmanager
def locked_roster() -> Iterator[None]:
    """By a session of ours: those of the project may not be idle for so long."""
    with private_connection(ALIAS, "locker") as using, transaction.atomic(using=using):
        connections[using].cursor().execute(LOCK[connection.vendor].format(WorkerProcess._meta.db_table))
        yield


LOCK = {"postgresql": "LOCK TABLE {} IN EXCLUSIVE MODE", "mysql": "SELECT id FROM {} FOR UPDATE"}
