"""The leader's lock: one holder, who can prove it, and loses it with its session."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Barrier

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from schedules.leader import lock as lock_module
from schedules.leader.lock import (
    LEASE,
    FileLock,
    Lock,
    MySQLLock,
    NotLeader,
    PostgreSQLLock,
    PostgreSQLTransactionLock,
    lock_on,
)
from schedules.models import Schedule
from schedules.occurrences.materialize import Authority, materialize
from tests.app.models import Effect
from tests.conformance.model.virtual import ALIAS, VirtualClock
from tests.conformance.schedules.leader.leaders import in_own_session
from tests.conformance.worker.sessions.pooler import pooled
from tests.processes import ROOT, StartProcess, eventually
from worker.models import Job
from worker.sessions.connection import behind_pooler, private_connection

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.own_session]

on_a_server = pytest.mark.only_on("postgresql", "mysql")
on_postgresql = pytest.mark.only_on("postgresql")
on_mysql = pytest.mark.only_on("mysql")
on_sqlite = pytest.mark.only_on("sqlite")


def session(purpose: str) -> AbstractContextManager[str]:
    return private_connection(ALIAS, purpose)


@pytest.fixture
def locks() -> Iterator[tuple[Lock, Lock]]:
    """Two candidates, each in a session of its own."""
    with session("one") as one, session("other") as other:
        pair = lock_on(one), lock_on(other)
        yield pair
        for lock in pair:
            lock.abandon()


def kill(session_of: str) -> None:
    """Let the server end that session."""
    other = connections[session_of]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [other.connection.info.backend_pid])
        else:
            cursor.execute("KILL %s", [other.connection.thread_id()])


# One holder


def test_the_lock_has_one_holder(locks: tuple[Lock, Lock]) -> None:
    one, other = locks

    assert one.acquire()
    assert not other.acquire()
    one.prove()
    with pytest.raises(NotLeader):
        other.prove()


def test_the_lock_is_free_when_it_was_given_back(locks: tuple[Lock, Lock]) -> None:
    one, other = locks
    one.acquire()

    one.release()

    with pytest.raises(NotLeader):
        one.prove()
    assert other.acquire()
    other.prove()


def test_nobody_can_prove_a_lock_that_nobody_took(locks: tuple[Lock, Lock]) -> None:
    for lock in locks:
        with pytest.raises(NotLeader):
            lock.prove()


def test_of_many_threads_one_gets_the_lock() -> None:
    together = Barrier(6, timeout=30)

    def try_to_lead(number: int) -> bool:
        try:
            with session(f"candidate {number}") as using:
                lock = lock_on(using)
                together.wait()
                got_it = lock.acquire()
                together.wait()
                if got_it:
                    lock.release()
                return got_it
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(try_to_lead, range(6))) == 1


def test_the_proof_is_one_question_at_the_most(locks: tuple[Lock, Lock]) -> None:
    one, _ = locks
    one.acquire()

    with CaptureQueriesContext(connections["default:one"]) as asked:
        one.prove()

    assert len(asked) <= 1


def test_the_lock_outlives_the_transactions_of_its_session(locks: tuple[Lock, Lock]) -> None:
    one, other = locks
    one.acquire()

    with transaction.atomic(using="default:one"):
        one.prove()
        transaction.set_rollback(True, using="default:one")

    one.prove()
    assert not other.acquire()


# The server ends the session


@on_a_server
def test_the_lock_is_gone_with_its_session(locks: tuple[Lock, Lock]) -> None:
    one, other = locks
    one.acquire()

    kill("default:one")

    with pytest.raises(DatabaseError):
        one.prove()
    eventually(other.acquire)  # the server may say so a moment before it gives the lock back


@on_a_server
@pytest.mark.parametrize("within", [False, True], ids=["between transactions", "within one"])
def test_a_lost_session_is_never_opened_again(locks: tuple[Lock, Lock], within: bool) -> None:
    one, _ = locks
    one.acquire()

    if within:
        with pytest.raises(DatabaseError), transaction.atomic(using="default:one"):  # noqa: PT012  a transaction
            one.prove()
            kill("default:one")
            one.prove()
    else:
        kill("default:one")

    for _attempt in range(3):
        with pytest.raises(DatabaseError), transaction.atomic(using="default:one"):
            one.prove()
        with pytest.raises(DatabaseError):
            one.acquire()


@on_a_server
@pytest.mark.parametrize("moment", ["before the proof", "after the proof"])
def test_a_session_that_ends_within_a_tick_writes_nothing(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    clock = VirtualClock()
    clock.declared(repeat=60)
    clock.to("10:01")

    with session("leader") as using:
        lock = lock_on(using)
        lock.acquire()

        def prove() -> None:
            if moment == "before the proof":
                kill(using)
                lock.prove()
            else:
                lock.prove()
                kill(using)

        with pytest.raises(DatabaseError):
            materialize(using, clock.now(), list(Schedule.objects.using(using).all()), Authority(1, prove))

    assert Job.objects.count() == 0
    assert Schedule.objects.get().next_run_at == clock.now()


@on_a_server
def test_the_server_is_told_to_end_a_session_that_falls_silent(locks: tuple[Lock, Lock]) -> None:
    one, _ = locks
    asked = {"postgresql": "SHOW idle_session_timeout", "mysql": "SELECT @@SESSION.wait_timeout"}

    one.prepare()

    with connections["default:one"].cursor() as cursor:
        cursor.execute(asked[connection.vendor])
        assert str(cursor.fetchone()[0]).removesuffix("s") == str(LEASE)
    with connection.cursor() as cursor:
        cursor.execute(asked[connection.vendor])
        assert str(cursor.fetchone()[0]).removesuffix("s") != str(LEASE)


# Names


@on_mysql
def test_two_databases_on_one_server_do_not_share_the_lock() -> None:
    other_database = f"{connection.settings_dict['NAME']}_neighbour"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {other_database}")
    try:
        with session("one") as one, session("neighbour") as neighbour:
            with connections[neighbour].cursor() as cursor:
                cursor.execute(f"USE {other_database}")
            locks = MySQLLock(connections[one]), MySQLLock(connections[neighbour])

            assert all(lock.acquire() for lock in locks)
            assert all(len(lock.name) <= 64 for lock in locks)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {other_database}")


@on_postgresql
def test_two_schemas_in_one_database_do_not_share_the_lock() -> None:
    with session("one") as one, session("neighbour") as neighbour:
        with connections[neighbour].cursor() as cursor:
            cursor.execute("CREATE SCHEMA neighbour")
            cursor.execute("SET search_path TO neighbour")
        locks = PostgreSQLLock(connections[one]), PostgreSQLLock(connections[neighbour])

        assert all(lock.acquire() for lock in locks)
        for lock in locks:
            lock.prove()

    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA neighbour")


@on_postgresql
def test_the_lock_is_not_mistaken_for_another_on_the_same_number(locks: tuple[Lock, Lock]) -> None:
    one, _ = locks
    assert isinstance(one, PostgreSQLLock)
    upper, lower = divmod(one.key, 1 << 32)
    with connections["default:one"].cursor() as cursor:
        as_two_numbers = [(half ^ 0x80000000) - 0x80000000 for half in (upper & 0xFFFFFFFF, lower)]
        cursor.execute("SELECT pg_advisory_lock(%s::int, %s::int)", as_two_numbers)

    with pytest.raises(NotLeader):
        one.prove()


# A lock for each transaction


@pytest.fixture
def transaction_mode() -> Iterator[None]:
    with override_settings(SCHEDULER={"LOCK": "transaction"}):
        yield


@on_postgresql
def test_in_transaction_mode_the_lock_is_held_from_the_proof_to_the_end_of_the_transaction(
    transaction_mode: None, locks: tuple[Lock, Lock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "LONGEST_WAIT", 0.0)
    one, other = locks
    assert one.kind == other.kind == "transaction"

    with transaction.atomic(using="default:one"):
        one.prove()
        with transaction.atomic(using="default:other"), pytest.raises(NotLeader):
            other.prove()
    with transaction.atomic(using="default:other"):
        other.prove()


@on_postgresql
def test_in_transaction_mode_a_proof_waits_for_whoever_holds_the_lock_for_a_moment(
    transaction_mode: None, locks: tuple[Lock, Lock]
) -> None:
    """So the look of a candidate ends no term."""

    def prove(using: str) -> None:
        with transaction.atomic(using=using):
            lock_on(using).prove()

    _, candidate = locks
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic(using="default:other"):
            candidate.prove()
            proof = in_own_session(threads, "leader", prove)
            eventually(lambda: proof.done() or both_have_asked_for_the_lock(), within=30)
        proof.result(30)


def both_have_asked_for_the_lock() -> bool:
    """And are in their transactions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state = 'idle in transaction' AND query LIKE '%%pg_try_advisory_xact_lock%%'",
            [],
        )
        return bool(cursor.fetchone()[0] == 2)


@on_postgresql
def test_in_transaction_mode_nothing_is_set_on_a_session_that_strangers_get_next() -> None:
    with session("one") as one:
        PostgreSQLTransactionLock(connections[one]).prepare()

        with connections[one].cursor() as cursor:
            cursor.execute("SHOW idle_session_timeout")
            assert cursor.fetchone() == ("0",)


@on_postgresql
def test_in_transaction_mode_the_server_takes_the_lock_from_one_that_stands_still_and_from_nobody_else(
    transaction_mode: None, locks: tuple[Lock, Lock]
) -> None:
    def limit() -> str:
        with connections["default:one"].cursor() as cursor:
            cursor.execute("SHOW idle_in_transaction_session_timeout")
            return str(cursor.fetchone()[0])

    one, _ = locks
    before = limit()

    with transaction.atomic(using="default:one"):
        one.prove()
        assert limit() == f"{LEASE}s"
    assert limit() == before


@on_postgresql
def test_a_direct_connection_is_not_taken_for_a_pooler() -> None:
    with session("one") as one:
        assert not behind_pooler(connections[one])
        assert lock_on(one).kind == "session"


@on_postgresql
def test_a_pooler_is_known_by_another_process_answering(monkeypatch: pytest.MonkeyPatch) -> None:
    with session("one") as one, pooled(one, monkeypatch):
        assert behind_pooler(connections[one])
        assert lock_on(one).kind == "transaction"


# A file beside the database


@on_sqlite
def test_the_file_lies_beside_the_database(locks: tuple[Lock, Lock]) -> None:
    one, _ = locks

    one.acquire()

    assert Path(f"{settings.DATABASES['default']['NAME']}.leader").exists()


@on_sqlite
def test_a_file_that_is_deleted_ends_the_lead(locks: tuple[Lock, Lock]) -> None:
    one, other = locks
    assert isinstance(one, FileLock)
    one.acquire()

    Path(one.path).unlink()

    with pytest.raises(NotLeader):
        one.prove()
    one.abandon()
    assert other.acquire()
    other.prove()


@on_sqlite
def test_a_file_that_is_replaced_ends_the_lead(locks: tuple[Lock, Lock]) -> None:
    one, _ = locks
    assert isinstance(one, FileLock)
    one.acquire()

    Path(one.path).unlink()
    Path(one.path).touch()

    with pytest.raises(NotLeader):
        one.prove()


@on_sqlite
def test_a_candidate_that_fails_does_not_take_the_lock_from_a_thread_of_its_process(locks: tuple[Lock, Lock]) -> None:
    """A POSIX lock is lost when its process closes any other descriptor of the file."""
    one, other = locks
    one.acquire()
    assert not other.acquire()
    other.abandon()

    one.prove()
    assert not leads_elsewhere()


@on_sqlite
def test_another_process_cannot_get_the_lock_until_it_is_given_back(locks: tuple[Lock, Lock]) -> None:
    one, _ = locks
    one.acquire()

    assert not leads_elsewhere()
    one.release()
    assert leads_elsewhere()


@on_sqlite
def test_a_process_that_is_killed_frees_the_lock_though_a_child_of_it_lives_on(process: StartProcess) -> None:
    hold = "from tests.conformance.schedules.leader import test_lock; test_lock.hold()"
    holder = process("shell", "--no-imports", "--command", hold)
    eventually(lambda: Effect.objects.filter(key="held").exists(), within=30)
    assert not leads_elsewhere()

    holder.send(signal.SIGKILL)

    assert holder.wait(within=10) == -signal.SIGKILL
    try:
        assert leads_elsewhere()
    finally:
        os.killpg(holder.pid, signal.SIGKILL)


def hold() -> None:
    """Hold the lock in this process, whose child has all its files."""
    assert lock_on(ALIAS).acquire()
    is_child = os.fork() == 0
    signal.alarm(60)
    if not is_child:
        Effect.objects.create(key="held")
    signal.pause()


def leads_elsewhere() -> bool:
    """Whether another process gets the lock."""
    code = "from schedules.leader.lock import lock_on; import sys; sys.exit(not lock_on('default').acquire())"
    command = [sys.executable, "-m", "tests.manage", "shell", "--no-imports", "--command", code]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == 0


@on_sqlite
def test_a_database_in_memory_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", ":memory:")
    one, other = FileLock(connection), FileLock(connection)

    assert one.acquire()
    assert not other.acquire()
    one.prove()
    one.release()
    assert not Path(":memory:.leader").exists()
