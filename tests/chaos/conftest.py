"""What the acceptance runs may ask for, besides what every test may, and what they tell in the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.db import connection

from tests.chaos import figures
from tests.chaos.clocks import SettableClock, settable_clock
from tests.chaos.crew import Crew
from tests.chaos.private_servers import PrivateServer, private_server
from tests.databases import django_settings
from tests.processes import StartProcess


@pytest.fixture
def crew(process: StartProcess) -> Crew:
    return Crew(process)


@pytest.fixture
def server_of_its_own(crew: Crew) -> Iterator[PrivateServer]:
    """Everybody in the test works on a database there."""
    with private_server(connection.vendor) as (server, crew.url), _moved_to(crew.url):
        yield server


@pytest.fixture
def clock(crew: Crew) -> Iterator[SettableClock]:
    """The database's. It is that of a server of the test's own, or on SQLite that of the processes."""
    if shutil.which("cc") is None and os.environ.get("CI") != "true":
        pytest.skip("No C compiler (cc) is on PATH.")
    with settable_clock() as clock:
        if connection.vendor == "sqlite":
            crew.environment = clock.environment
            yield clock
        else:
            with private_server(connection.vendor, clock.environment) as (_, crew.url), _moved_to(crew.url):
                yield clock


@contextmanager
def _moved_to(url: str) -> Iterator[None]:
    """The test's own connection, for so long. The database there is empty."""
    kept = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(django_settings(url))
    try:
        call_command("migrate", run_syncdb=True, verbosity=0)
        yield
    finally:
        connection.close()
        connection.settings_dict.update(kept)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in figures.told:
        terminalreporter.write_line(line)
