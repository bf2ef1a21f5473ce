"""What a task leaves behind is ended, and the next job of its slot runs as in a new one."""

from __future__ import annotations

import decimal
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone, translation
from pytest_django import Settings

from schedules import background
from schedules.declarations import Background
from schedules.declarations.background import declare_task
from tests.app.models import Effect
from tests.conformance.worker.process.workers import Crew, heard
from tests.conformance.worker.queue.jobs import ALIAS
from tests.processes import eventually
from worker import signals
from worker.models import FinishedJob
from worker.running import pool, slot_connections

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def declared_for_this_test(own_declarations: None) -> Iterator[None]:
    yield
    kept.clear()
    seen.clear()


@pytest.fixture(params=[0, None], ids=["sessions of a request", "persistent sessions"])
def max_age(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings[ALIAS], "CONN_MAX_AGE", request.param)


@pytest.fixture
def jobs_that_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes on a busy machine: the slot keeps its sessions from one to the next."""
    monkeypatch.setattr(pool, "BREAK", 3600.0)
    monkeypatch.setattr(slot_connections, "LONGEST_USE", 3600.0)


kept: list[Any] = []
"""By a task, beyond its run."""
seen: list[Any] = []
"""By jobs, one after the other."""


def task(function: Callable[..., Any], **options: Any) -> Background[Any, Any, Any]:
    return declare_task(function, None, {"max_attempts": 2, "backoff": [0], **options})


def run(crew: Crew, *first: Background[Any, Any, Any]) -> list[FinishedJob]:
    """These, one after the other in one slot, and one that writes. How they ended, in this order."""
    jobs = [each().pk for each in (*first, task(write))]
    crew.start(threads=1, until_idle=True).wait(within=30)
    rows = FinishedJob.objects.in_bulk(jobs)
    return [rows[pk] for pk in jobs]


def write() -> None:
    Effect.objects.create(key="after")


def traces() -> list[str]:
    return sorted(Effect.objects.values_list("key", flat=True))


# Transactions


def enter_a_block() -> None:
    transaction.atomic().__enter__()
    Effect.objects.create(key="lost")


def enter_two_blocks() -> None:
    transaction.atomic().__enter__()
    Effect.objects.create(key="lost")
    transaction.atomic().__enter__()


def turn_autocommit_off() -> None:
    transaction.set_autocommit(False)
    Effect.objects.create(key="lost")


def begin_by_hand() -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
    Effect.objects.create(key="lost")


def write_and_wait() -> Iterator[None]:
    with transaction.atomic():
        Effect.objects.create(key="lost")
        yield


@contextmanager
def through_another() -> Iterator[None]:
    with contextmanager(write_and_wait)():
        yield


def keep_a_generator() -> None:
    waiting = write_and_wait()
    next(waiting)
    kept.append(waiting)


def keep_a_context_manager() -> None:
    waiting = through_another()
    waiting.__enter__()
    kept.append(waiting)


LEFT_OPEN = [
    enter_a_block,
    enter_two_blocks,
    turn_autocommit_off,
    pytest.param(begin_by_hand, marks=pytest.mark.only_on("postgresql", "sqlite")),
    keep_a_generator,
    keep_a_context_manager,
]


@pytest.mark.usefixtures("max_age")
@pytest.mark.parametrize("leave", LEFT_OPEN)
def test_a_job_whose_task_left_a_transaction_open_has_failed_and_the_next_one_finds_nothing_of_it(
    crew: Crew, leave: Callable[[], None]
) -> None:
    left, after = run(crew, task(leave))

    assert (left.state, left.attempts) == ("failed", 1)
    assert left.reason.startswith('TransactionLeftOpen: The task left a transaction open in database "default"')
    assert (after.state, after.attempts) == ("succeeded", 1)
    assert traces() == ["after"]


BLOCKS = [enter_a_block, enter_two_blocks, keep_a_generator, keep_a_context_manager]


@pytest.mark.parametrize("leave", BLOCKS)
def test_an_atomic_job_whose_task_left_a_block_open_has_failed_and_had_no_effect(
    crew: Crew, leave: Callable[[], None]
) -> None:
    left, after = run(crew, task(leave, atomic=True))

    assert (left.state, left.attempts) == ("failed", 1)
    assert left.reason.startswith("TransactionLeftOpen: The task left a transaction open")
    assert (after.state, after.attempts) == ("succeeded", 1)
    assert traces() == ["after"]


def change_a_table_wrongly() -> None:
    """The blocks of such a task are left by Django itself, when what was deferred fails."""
    with connection.schema_editor() as editor:
        editor.deferred_sql.append("ALTER TABLE there_is_no_such_table DROP COLUMN nor_such_a_column")
        Effect.objects.create(key="lost")


@pytest.mark.usefixtures("max_age")
def test_after_a_change_of_tables_that_failed_the_next_job_works(crew: Crew) -> None:
    left, after = run(crew, task(change_a_table_wrongly))

    assert (left.state, left.attempts) == ("failed", 2)
    assert "there_is_no_such_table" in left.reason
    assert (after.state, after.attempts) == ("succeeded", 1)
    # MySQL and MariaDB have no transaction around a change of a table.
    assert traces() == (["after", "lost", "lost"] if connection.vendor == "mysql" else ["after"])


def end_what_was_kept_within_my_transaction() -> None:
    with transaction.atomic():
        Effect.objects.create(key="mine")
        for each in kept:
            with suppress(Exception):
                each.close()
        kept.clear()
        Effect.objects.create(key="mine, too")


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_what_one_job_kept_open_undoes_nothing_of_another_when_it_ends(crew: Crew, atomic: bool) -> None:
    left, mine, after = run(crew, task(keep_a_generator), task(end_what_was_kept_within_my_transaction, atomic=atomic))

    assert [each.state for each in (left, mine, after)] == ["failed", "succeeded", "succeeded"]
    assert traces() == ["after", "mine", "mine, too"]


# Connections


def close_the_connection() -> None:
    Effect.objects.create(key="before")
    connection.close()


def close_the_session() -> None:
    Effect.objects.create(key="before")
    connection.connection.close()


def close_within_a_block() -> None:
    with suppress(DatabaseError), transaction.atomic():
        connection.close()
        Effect.objects.create(key="lost")
    Effect.objects.create(key="before")


def close_within_a_block_of_its_own() -> None:
    Effect.objects.create(key="before")
    transaction.atomic().__enter__()
    connection.close()


def swallow_an_error() -> None:
    Effect.objects.create(key="before")
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")


CLOSED = {
    close_the_connection: "succeeded",
    close_the_session: "succeeded",
    close_within_a_block: "succeeded",
    close_within_a_block_of_its_own: "failed",
    swallow_an_error: "succeeded",
}


@pytest.mark.usefixtures("max_age")
@pytest.mark.parametrize("leave", CLOSED)
def test_a_job_finds_a_connection_that_works_whatever_was_done_to_it(crew: Crew, leave: Callable[[], None]) -> None:
    left, after = run(crew, task(leave, max_attempts=1))

    assert left.state == CLOSED[leave], left.reason
    assert (after.state, after.attempts) == ("succeeded", 1)
    assert traces() == ["after", "before"]


def copy_the_connection() -> None:
    kept.append(connection.copy())
    kept[-1].inc_thread_sharing()
    with kept[-1].cursor() as cursor:
        cursor.execute("SELECT 1")


def test_connections_of_which_django_does_not_know_are_left_to_their_task(crew: Crew) -> None:
    left, after = run(crew, task(copy_the_connection))

    assert (left.state, after.state) == ("succeeded", "succeeded")
    kept.pop().close()


# Sessions

STATE = {
    "postgresql": ("SET search_path = 'public', 'left_behind'", "SHOW search_path"),
    "mysql": ("SET SESSION lock_wait_timeout = 4711", "SELECT @@lock_wait_timeout"),
    "sqlite": ("PRAGMA cache_size = 4711", "PRAGMA cache_size"),
}


def change_the_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE left_behind (id integer)")
        cursor.execute(STATE[connection.vendor][0])
    look_at_the_session()


def look_at_the_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute(STATE[connection.vendor][1])
        seen.append(cursor.fetchone()[0])
        cursor.execute("SELECT count(*) FROM left_behind")


@pytest.mark.usefixtures("max_age")
@pytest.mark.parametrize("atomic", [False, pytest.param(True, marks=pytest.mark.only_on("postgresql"))])
def test_with_a_fresh_connection_a_session_is_changed_for_one_run_only(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    """MySQL ends a transaction at a new table, and SQLite takes no PRAGMA in one."""
    change = task(change_the_session, fresh_connection=True, atomic=atomic)
    first, second, third, _ = run(crew, change, change, task(look_at_the_session, max_attempts=1))

    assert (first.state, second.state, third.state) == ("succeeded", "succeeded", "failed")
    assert "left_behind" in third.reason  # which is not there
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.usefixtures("max_age")
def test_a_run_with_a_fresh_connection_finds_nothing_of_the_job_before_it(crew: Crew) -> None:
    change, look, _ = run(
        crew, task(change_the_session), task(look_at_the_session, fresh_connection=True, max_attempts=1)
    )

    assert (change.state, look.state) == ("succeeded", "failed")
    assert seen[0] != seen[1]


HARMFUL = {
    "postgresql": "SET search_path = 'nowhere'",
    "mysql": "LOCK TABLES django_session READ",
    "sqlite": "PRAGMA query_only = ON",
}


def harm_the_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute(HARMFUL[connection.vendor])


@pytest.mark.usefixtures("max_age", "jobs_that_follow_each_other")
def test_a_session_in_which_a_job_has_failed_is_no_other_jobs(crew: Crew) -> None:
    harm, harmed, after = run(crew, task(harm_the_session), task(write_too, max_attempts=1))

    assert [each.state for each in (harm, harmed, after)] == ["succeeded", "failed", "succeeded"]
    assert traces() == ["after"]


def write_too() -> None:
    Effect.objects.create(key="too")


def keep_a_cursor() -> None:
    Effect.objects.bulk_create([Effect(key="before"), Effect(key="before")])
    kept.append(connection.chunked_cursor())
    kept[-1].execute("SELECT id FROM app_effect")
    assert kept[-1].fetchone()


@pytest.mark.usefixtures("max_age")
@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_a_cursor_that_a_task_keeps_open_is_in_nobodys_way(crew: Crew, atomic: bool) -> None:
    left, also, after = run(crew, task(keep_a_cursor), task(write_too, atomic=atomic))

    for row in (left, also, after):
        assert (row.state, row.attempts) == ("succeeded", 1), row.errors
    assert traces() == ["after", "before", "before", "too"]
    with suppress(Exception):  # its session is gone by now
        kept.pop().close()


# Contexts

variable: ContextVar[str] = ContextVar("variable", default="as at first")


def change_the_context() -> None:
    look_at_the_context()
    variable.set("changed")
    decimal.getcontext().prec = 3
    translation.activate("fr")
    timezone.activate("Asia/Kolkata")
    look_at_the_context()


def look_at_the_context() -> None:
    language, zone = translation.get_language(), timezone.get_current_timezone_name()
    seen.append((variable.get(), decimal.getcontext().prec, language, zone))


def fail_in_a_changed_context() -> None:
    change_the_context()
    raise ValueError("no")


@pytest.mark.parametrize("change", [change_the_context, fail_in_a_changed_context])
@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_each_job_begins_in_the_context_of_a_new_thread(crew: Crew, change: Callable[[], None], atomic: bool) -> None:
    run(crew, task(change, atomic=atomic, max_attempts=1), task(look_at_the_context))

    assert seen == [("as at first", 28, "en-us", "UTC"), ("changed", 3, "fr", "Asia/Kolkata"), seen[0]]


def test_who_hears_that_a_job_begins_may_set_the_context_of_its_task(crew: Crew) -> None:
    def hear(**_: Any) -> None:
        variable.set("by who heard of it")

    signals.job_started.connect(hear)
    try:
        run(crew, task(look_at_the_context))
    finally:
        signals.job_started.disconnect(hear)

    assert [each[0] for each in seen] == ["by who heard of it"]
    assert variable.get() == "as at first"


def use_the_cache() -> None:
    caches["default"].set("key", "value")
    cache: Any = caches["default"]
    seen.append(cache.made)


def test_a_slot_keeps_its_caches(crew: Crew, settings: Settings) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "tests.conformance.worker.running.test_left_behind.CountedCache"},
        "broken": {"BACKEND": "there.is.no.such.Cache"},
    }
    run(crew, task(use_the_cache), task(use_the_cache))

    assert len(seen) == 2
    assert seen[0] is seen[1]


class CountedCache(DummyCache):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.made = object()
        """Another one for each."""


# What belongs to the whole process


def move() -> None:
    seen.append(Path.cwd())
    os.chdir("/")


def print_elsewhere() -> None:
    seen.append(sys.stdout)
    sys.stdout = StringIO()


def turn_a_warning_into_an_error() -> None:
    seen.append(warnings.filters[:])
    warnings.filterwarnings("error", message="of this task")


SHARED: dict[Callable[[], None], tuple[str, Callable[[], Any]]] = {
    move: ("the working directory (/)", Path.cwd),
    print_elsewhere: ("sys.stdout", lambda: sys.stdout),
    turn_a_warning_into_an_error: ("warnings.filters", lambda: warnings.filters),
}


@pytest.mark.parametrize("change", SHARED)
def test_what_belongs_to_the_process_is_put_back_before_the_next_job_and_that_is_told(
    crew: Crew, change: Callable[[], None]
) -> None:
    what, now = SHARED[change]
    with heard(signals.surroundings_restored) as told:
        states = [each.state for each in run(crew, task(change), task(change))]

    assert states == ["succeeded"] * 3
    assert seen == [now(), now()]
    assert [each["what"] for each in told] == [[what], [what]]


def test_what_belongs_to_the_process_is_left_alone_while_another_job_uses_it(crew: Crew) -> None:
    """Which puts it back itself, in its own time."""
    began, go_on = threading.Event(), threading.Event()

    def print_elsewhere_for_a_while() -> None:
        before, sys.stdout = sys.stdout, StringIO()
        kept.append(sys.stdout)
        began.set()
        go_on.wait(timeout=30)
        seen.append(sys.stdout)
        sys.stdout = before

    with heard(signals.surroundings_restored) as told:
        background(name="for a while")(_top(print_elsewhere_for_a_while))()
        hand = crew.start(threads=2)
        assert began.wait(timeout=10)
        task(write)()
        eventually(lambda: traces() == ["after"])
        go_on.set()
        eventually(lambda: FinishedJob.objects.count() == 2)

    assert seen[0] is kept[0]
    assert told == []
    assert hand.works


def _top(function: Callable[[], None]) -> Callable[[], None]:
    """As if it stood at the top of this module."""
    function.__qualname__ = function.__name__
    return function


def handle_a_signal() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: None)


def test_a_task_cannot_take_a_signal_from_the_process(crew: Crew) -> None:
    before = signal.getsignal(signal.SIGUSR1)

    left, after = run(crew, task(handle_a_signal, max_attempts=1))

    assert (left.state, after.state) == ("failed", "succeeded")
    assert "signal only works in main thread" in left.reason
    assert signal.getsignal(signal.SIGUSR1) is before
