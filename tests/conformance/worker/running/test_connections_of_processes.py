"""Sessions of real processes, counted at the server: how many there are, and what happens where there are too few."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests.app.models import Effect
from tests.app.tasks import leave_trace
from tests.chaos import scale
from tests.chaos.tasks import count_atomically
from tests.databases import VARIABLE, url_of_this_run
from tests.processes import StartProcess, eventually
from worker.models import FinishedJob

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.only_on("postgresql", "mysql"),
    pytest.mark.own_session,
]

SECONDS_TO_START = 30.0
FEW = 6
"""Connections of a role: three for the process, and three for its slots."""
JOBS = 2_000 if scale.SECONDS >= 60 else 400


@contextmanager
def role() -> Iterator[str]:
    """The address of the test database for somebody who may have few connections to it."""
    name = f"few_{connection.settings_dict['NAME']}"[-30:]
    parts = urlsplit(url_of_this_run())
    with connection.cursor() as cursor:
        for statement in _MAKE[connection.vendor]:
            cursor.execute(statement.format(name=name, database=connection.settings_dict["NAME"], few=FEW))
    try:
        yield parts._replace(netloc=f"{name}:secret@{parts.netloc.rpartition('@')[2]}").geturl()
    finally:
        with connection.cursor() as cursor:
            for statement in _DROP[connection.vendor]:
                cursor.execute(statement.format(name=name))


_MAKE = {
    "postgresql": (
        "CREATE ROLE {name} LOGIN PASSWORD 'secret' CONNECTION LIMIT {few}",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}",
    ),
    "mysql": (
        "CREATE USER '{name}'@'%%' IDENTIFIED BY 'secret' WITH MAX_USER_CONNECTIONS {few}",
        "GRANT ALL ON `{database}`.* TO '{name}'@'%%'",
    ),
}
_DROP = {"postgresql": ("DROP OWNED BY {name}", "DROP ROLE {name}"), "mysql": ("DROP USER '{name}'@'%%'",)}
_SESSIONS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE usename = %s",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE user = %s",
}


def sessions_of(url: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS[connection.vendor], [urlsplit(url).username])
        number: int = cursor.fetchone()[0]
    return number


def test_an_idle_process_has_as_many_sessions_as_the_page_says(process: StartProcess) -> None:
    with role() as url:
        worker = process("process_tasks", "--leader", "--threads", "2", environment={VARIABLE: url})
        eventually(lambda: " elected, " in worker.output, within=SECONDS_TO_START)
        leave_trace("one")
        eventually(lambda: FinishedJob.objects.count() == 1)

        expected = {"postgresql": 3, "mysql": 2}[connection.vendor]
        eventually(lambda: sessions_of(url) == expected)
        worker.kill()
        eventually(lambda: sessions_of(url) == 0)


def test_atomic_jobs_succeed_at_their_first_attempt_where_connections_are_few(process: StartProcess) -> None:
    with role() as url:
        count_atomically.enqueue_many([((str(number),), {}) for number in range(JOBS)])
        # Atomic tasks are none of the application that all tests have: `check` warns of them on SQLite.
        environment = {VARIABLE: url, "DJANGO_SETTINGS_MODULE": "tests.chaos.settings"}
        worker = process("process_tasks", "--leader", "--threads", "8", environment=environment)
        eventually(lambda: FinishedJob.objects.count() == JOBS, within=SECONDS_TO_START + JOBS / 20)
        worker.kill()
        eventually(lambda: sessions_of(url) == 0)

    assert FinishedJob.objects.filter(state="succeeded", attempts=1, interruptions=0).count() == JOBS
    assert Effect.objects.count() == JOBS
