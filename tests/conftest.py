"""What every test may ask for: a database with committed rows, and real processes.

Decides how the two are left clean. Which database it is, the runner decides (`tests/run.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from threading import Thread, current_thread
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Model
from django.test.utils import setup_databases, teardown_databases
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from schedules.testing import isolated_registry
from tests import browser
from tests.conformance.model.virtual import VirtualClock
from tests.databases import POOLED, is_pooled
from tests.processes import Process, StartProcess
from worker import wakeup

hypothesis_settings.register_profile(
    "carillon",
    # Chance differs from run to run, in CI too; a failure prints the line that repeats it.
    derandomize=False,
    database=None,
    print_blob=True,
    # How fast an example is says something of the machine, and nothing of the product.
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        # Cases are drawn from all that there is, and what is no case is left out.
        HealthCheck.filter_too_much,
        # Examples of one test share a database, and tell their rows apart.
        HealthCheck.function_scoped_fixture,
    ],
)
hypothesis_settings.load_profile("carillon")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-database-tests",
        action="store_true",
        help="leave out the tests that say the same on every database",
    )
    parser.addoption(
        "--no-database-tests",
        action="store_true",
        help="leave out the tests that may differ by database",
    )
    parser.addoption("--failed-to", type=Path, metavar="FILE", help="write there which tests have failed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--only-database-tests"):
        _keep(config, items, _may_differ_by_database)
    if config.getoption("--no-database-tests"):
        _keep(config, items, lambda item: not _may_differ_by_database(item))
    if not _pages_are_tested():
        _keep(config, items, lambda item: item.get_closest_marker("browser") is None)
    _keep(config, items, _has_what_it_needs)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if file := config.getoption("--failed-to"):
        failed = [report for kind in ("failed", "error") for report in terminalreporter.getreports(kind)]
        file.write_text("".join(f"{report.nodeid}\n" for report in failed))
    if not _pages_are_tested():
        terminalreporter.write_line(f"Pages were not tested in a browser: no {browser.NAMES[0]} on PATH.")


def _keep(config: pytest.Config, items: list[pytest.Item], wanted: Callable[[pytest.Item], bool]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = filter(wanted, items)


def _pages_are_tested() -> bool:
    return browser.executable() is not None or browser.is_required()


def _has_what_it_needs(item: pytest.Item) -> bool:
    """A database of that kind, and a session of its own if a test rests on one."""
    if is_pooled() and item.get_closest_marker("own_session") is not None:
        return False
    kind = POOLED if is_pooled() else connection.vendor
    return all(kind in marker.args for marker in item.iter_markers("only_on"))


def _may_differ_by_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("once") is not None:
        return False
    fixtures = getattr(item, "fixturenames", ())
    return "django_db_setup" in fixtures or item.get_closest_marker("django_db") is not None


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Create the test database, once. pytest-django's own would not, for tests that ask for `database`."""
    verbosity, kept = request.config.get_verbosity(), request.config.getoption("reuse_db")
    with django_db_blocker.unblock(), _folder_of_sqlite():
        created = setup_databases(verbosity=verbosity, interactive=False, keepdb=kept)
        yield
        teardown_databases(created, verbosity=verbosity, keepdb=kept)


@contextmanager
def _folder_of_sqlite() -> Iterator[None]:
    if connection.vendor != "sqlite":
        yield
        return
    folder = Path(settings.DATABASES["default"]["NAME"]).parent
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def clock(database: None) -> VirtualClock:
    """It is 10:00 until the test moves it."""
    return VirtualClock()


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The test database, where what is committed is committed, seen by threads and other processes.

    Leaves the tables of our apps empty, and no connection open but that of the tests' own thread. When work was
    announced last is forgotten: a test may have moved the clock by which that is known.
    """
    wakeup.told.forget()
    with django_db_blocker.unblock():
        with _connections_closed():
            yield
        _delete_rows()


@pytest.fixture
def nothing_declared() -> Iterator[None]:
    """No task and no schedule is known but those that the test declares, and it leaves none."""
    with isolated_registry(empty=True):
        yield


@pytest.fixture
def own_declarations() -> Iterator[None]:
    """What the test declares is forgotten after it."""
    with isolated_registry():
        yield


@pytest.fixture
def process(database: None, tmp_path: Path) -> Iterator[StartProcess]:
    """Start `manage.py` commands against the test database; they end with the test. A failure shows what they said."""
    numbers = count(1)
    with ExitStack() as started:

        def end(started: Process) -> None:
            started.kill()
            print(f"{started} said:\n{started.output}")  # noqa: T201  for pytest to show

        def start(*arguments: str, environment: dict[str, str] | None = None, under: Sequence[str] = ()) -> Process:
            output = tmp_path / f"process-{next(numbers)}.txt"
            new = Process(arguments, output, environment or {}, under)
            started.callback(end, new)
            return new

        yield start


_SECONDS_TO_END = 5.0


@contextmanager
def _connections_closed() -> Iterator[None]:
    """Close what other threads, ended or not, have opened meanwhile, and what was opened privately.

    A thread of a worker closes its own at its end, and two cannot close one at once. So it is given time to end.
    """
    opened: list[BaseDatabaseWrapper] = []
    openers: set[Thread] = set()

    def remember(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
        opened.append(connection)
        openers.add(current_thread())

    connection_created.connect(remember)
    try:
        yield
    finally:
        connection_created.disconnect(remember)
        for opener in openers:
            if opener.name.startswith("carillon-"):
                opener.join(timeout=_SECONDS_TO_END)
        for each in opened:
            if each is not connections[DEFAULT_DB_ALIAS]:
                each.inc_thread_sharing()
                each.close()


def _delete_rows() -> None:
    """Plain DELETEs in one transaction: on small tables many times faster than TRUNCATE."""
    tables = [model._meta.db_table for model in _models_with_rows()]
    with connection.constraint_checks_disabled(), transaction.atomic(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")


def _models_with_rows() -> Iterator[type[Model]]:
    for label in ("schedules", "worker", "app"):
        yield from apps.get_app_config(label).get_models(include_auto_created=True)
    yield from (LogEntry, Session, User.user_permissions.through, User)
