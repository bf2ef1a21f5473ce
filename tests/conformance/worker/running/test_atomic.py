"""Atomic tasks: what a job does in the queue's database is there if, and only if, it is recorded as succeeded."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from pytest_django import Settings

from schedules.declarations import Background
from schedules.declarations.background import declare_task
from schedules.doctor import work
from tests.app.models import Effect
from tests.app.tasks import leave_trace, return_unshowable, returned
from tests.conformance.schedules.doctor.test_doctor import found
from tests.conformance.worker.process.workers import Crew, heard, unled
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    another_session,
    claim,
    in_history,
    living_worker,
    rows_are_locked,
    state_of,
)
from tests.processes import eventually
from tests.refusals import raising
from worker import queue, signals
from worker.models import FinishedJob, Job, WorkerProcess
from worker.outcomes import Succeeded
from worker.queue import recording
from worker.raised import Cancel, Snooze
from worker.running import atomic_run
from worker.values import Ended

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def declared_for_this_test(own_declarations: None) -> Iterator[None]:
    yield
    begun.clear()
    gate.clear()
    runs.clear()


begun = threading.Event()
gate = threading.Event()
runs: Counter[str] = Counter()
"""How often a task was called, whatever became of it."""


def atomic(function: Callable[..., Any], name: str | None = None, **options: Any) -> Background[Any, Any, Any]:
    return declare_task(function, name, {"atomic": True, "backoff": [0], **options})


def trace(key: str) -> None:
    runs[key] += 1
    Effect.objects.create(key=key)


def traces() -> Counter[str]:
    return Counter(Effect.objects.values_list("key", flat=True))


# Both or neither


def test_what_an_atomic_task_did_is_there_when_its_job_has_succeeded(crew: Crew) -> None:
    jobs = atomic(trace).enqueue_many([((str(n),), {}) for n in range(20)])
    plain = leave_trace("plain")

    with heard(signals.job_ended) as ended:
        crew.work_until_idle()

    assert traces() == Counter({str(n): 1 for n in range(20)}) + Counter(["plain"])
    history = FinishedJob.objects.filter(state="succeeded", attempts=1, interruptions=0, errors="")
    assert sorted(history.values_list("pk", flat=True)) == [*jobs, plain.pk]
    assert all(row.worker and row.started_at and row.started_at <= row.finished_at for row in history)
    assert sorted(each["job"].id for each in ended) == [*jobs, plain.pk]
    assert not Job.objects.exists()


def test_what_an_atomic_task_returns_is_not_looked_at_and_not_kept(crew: Crew) -> None:
    returned.clear()
    hand = crew.start()
    job = atomic(return_unshowable.task.function, name="return atomically")()

    eventually(lambda: state_of(job.pk) == "succeeded")
    eventually(lambda: [result() is None for result in returned] == [True])

    assert hand.works


def fail() -> NoReturn:
    raise ValueError("no")


def leave() -> NoReturn:
    raise SystemExit(1)


def snooze() -> NoReturn:
    raise Snooze(0)


def swallow_a_refusal() -> None:
    with suppress(DatabaseError):
        Effect.objects.create(key=None)  # type: ignore[misc]


def ask_for_rollback() -> None:
    transaction.set_rollback(True)


def close_the_connection() -> None:
    connection.close()


def roll_back_by_hand() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ROLLBACK")


ENDS: dict[str, tuple[Callable[[], None], int]] = {
    "raises": (fail, 2),
    "exits": (leave, 2),
    "snoozes": (snooze, 1),
    "goes on after an error that has broken its transaction": (swallow_a_refusal, 2),
    "asks for rollback": (ask_for_rollback, 2),
    "closes the connection": (close_the_connection, 2),
    "rolls back by hand": (roll_back_by_hand, 2),
}
"""What a run does at its end, and how many attempts there are then when the next run succeeds."""


def trace_and_end(how: str) -> None:
    """Ends so the first time only."""
    trace(how)
    leave_trace("enqueued by it")
    transaction.on_commit(lambda: runs.update(["committed"]))
    if runs[how] == 1:
        ENDS[how][0]()


@pytest.mark.parametrize("how", ENDS)
def test_a_run_that_does_not_succeed_leaves_no_effect(crew: Crew, how: str) -> None:
    job = atomic(trace_and_end).enqueue(how)

    crew.work_until_idle(threads=1)

    assert traces() == {how: 1, "enqueued by it": 1}
    assert runs == {how: 2, "committed": 1}
    row = FinishedJob.objects.get(pk=job.pk)
    assert (row.state, row.attempts) == ("succeeded", ENDS[how][1])
    assert len(row.error_list) == row.attempts - 1


def trace_and_fail(key: str) -> None:
    trace(key)
    fail()


def trace_and_cancel(key: str) -> None:
    trace(key)
    raise Cancel("gone")


def test_a_job_that_failed_or_was_cancelled_has_had_no_effect(crew: Crew) -> None:
    failed = atomic(trace_and_fail, max_attempts=2).enqueue("failed")
    cancelled = atomic(trace_and_cancel).enqueue("cancelled")

    crew.work_until_idle()

    assert traces() == {}
    assert runs == {"failed": 2, "cancelled": 1}
    assert (state_of(failed.pk), state_of(cancelled.pk)) == ("failed", "cancelled")
    assert FinishedJob.objects.get(pk=failed.pk).reason == "ValueError: no"


async def later() -> None:
    """What the task below leaves undone."""


def trace_and_hand_back_the_rest(key: str) -> Coroutine[Any, Any, None]:
    trace(key)
    return later()


def test_a_task_that_returns_its_work_undone_has_had_no_effect_and_is_not_tried_again(crew: Crew) -> None:
    job = atomic(trace_and_hand_back_the_rest).enqueue("half")

    crew.work_until_idle()

    assert (traces(), runs) == ({}, {"half": 1})
    row = FinishedJob.objects.get(pk=job.pk)
    assert (row.state, row.attempts) == ("failed", 1)
    assert row.reason.startswith("WorkNotDone: The task returned a coroutine that was not awaited: later.")


def change_a_table(key: str) -> None:
    trace(key)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE made_by_a_task (id INTEGER)")
        cursor.execute("DROP TABLE made_by_a_task")


def test_where_a_statement_commits_by_itself_the_job_fails_loudly(crew: Crew) -> None:
    """MySQL and MariaDB end the transaction at each change of a table."""
    job = atomic(change_a_table, max_attempts=1).enqueue("one")

    crew.work_until_idle()

    assert traces() == {"one": 1}
    assert state_of(job.pk) == ("failed" if connection.vendor == "mysql" else "succeeded")


def end_by_hand(key: str, how: str) -> None:
    """What follows is in another transaction, or in none."""
    trace(key)
    with connection.cursor() as cursor:
        for statement in how.split("; "):
            cursor.execute(statement)
    trace("after it")


@pytest.mark.parametrize(
    "how",
    [
        *("COMMIT", "COMMIT; BEGIN", "ROLLBACK; BEGIN"),
        pytest.param("COMMIT AND CHAIN", marks=pytest.mark.only_on("postgresql", "mysql")),  # SQLite knows no chains
    ],
)
def test_a_task_that_ends_the_transaction_and_begins_another_has_failed(crew: Crew, how: str) -> None:
    job = atomic(end_by_hand, max_attempts=1).enqueue("one", how)

    crew.work_until_idle()

    assert state_of(job.pk) == "failed"
    assert traces()["one"] == ("COMMIT" in how)


def move_to_another_zone(key: str) -> None:
    trace(key)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Tokyo'")
        cursor.execute("SET LOCAL DateStyle = 'German'")


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("options", [{}, {"server_side_binding": True}, {"isolation_level": 4}], ids=str)
def test_an_atomic_job_succeeds_however_its_session_is_set(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    """4: serializable, https://www.psycopg.org/psycopg3/docs/api/connections.html#psycopg.IsolationLevel"""
    monkeypatch.setitem(connections.settings[ALIAS], "OPTIONS", options)
    jobs = atomic(move_to_another_zone).enqueue_many([((str(n),), {}) for n in range(3)])

    crew.work_until_idle(threads=1)

    assert traces() == {"0": 1, "1": 1, "2": 1}
    assert FinishedJob.objects.filter(pk__in=jobs, state="succeeded", attempts=1).count() == 3


def forget_what_is_prepared() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")


@pytest.mark.only_on("postgresql")
def test_an_atomic_job_succeeds_after_one_that_discarded_what_is_prepared(crew: Crew) -> None:
    forget = declare_task(forget_what_is_prepared, None, {})
    traced = atomic(trace)
    for number in range(3):
        traced.enqueue(str(number))
        forget.enqueue()

    crew.work_until_idle(threads=1)

    assert traces() == {"0": 1, "1": 1, "2": 1}
    assert FinishedJob.objects.filter(state="succeeded", attempts=1).count() == 6


@pytest.mark.parametrize("raises", [False, True])
def test_what_is_written_with_a_success_is_written_in_the_transaction_of_an_atomic_job(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, raises: bool
) -> None:
    def write_too(ended: Sequence[Ended], using: str) -> None:
        for each in ended:
            Effect.objects.using(using).create(key=f"succeeded: {each.job.id}")
        if raises:
            raise ValueError("no")

    monkeypatch.setattr(recording, "in_the_recording_transaction", [queue.Hook(Succeeded, write_too)])
    job = atomic(trace, max_attempts=1)("one")

    crew.work_until_idle()

    assert traces() == ({} if raises else {"one": 1, f"succeeded: {job.pk}": 1})
    assert state_of(job.pk) == ("failed" if raises else "succeeded")


# The fence


def trace_and_wait(key: str) -> None:
    trace(key)
    begun.set()
    gate.wait(timeout=30)


def wait_and_trace(key: str) -> None:
    """The gate is open when it is called again."""
    runs["read"] += Effect.objects.count()
    begun.set()
    gate.wait(timeout=30)
    trace(key)


# On SQLite a run that has written holds the only write lock, so nobody can take its job.
@pytest.mark.parametrize("body", [wait_and_trace, pytest.param(trace_and_wait, marks=rows_are_locked)])
def test_what_a_zombie_did_is_undone(crew: Crew, body: Callable[[str], None]) -> None:
    job = atomic(body).enqueue("zombie")
    hand = crew.start(threads=1)
    assert begun.wait(timeout=10)

    with transaction.atomic():
        WorkerProcess.objects.all().delete()
        queue.rescue(ALIAS, 1000)
    (heirs,) = claim(worker_id=living_worker())
    with heard(signals.job_lost) as lost:
        gate.set()
        eventually(lambda: lost)

    assert traces() == {}
    assert (state_of(job.pk), Job.objects.get().claim) == ("running", heirs.claim)
    assert hand.works


def trace_and_lose_the_answer(key: str) -> None:
    trace(key)
    if runs[key] == 1:
        commit = connection.commit

        def commit_and_lose_the_answer() -> NoReturn:
            commit()
            del connection.commit
            raise OperationalError("The server went away after it had committed.")

        connection.commit = commit_and_lose_the_answer  # type: ignore[method-assign]


def test_an_atomic_job_whose_success_is_refused_for_a_while_runs_again_and_that_is_no_attempt(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_run, "SHORTEST_DELAY", 0.1)
    with heard(signals.success_refused) as refused:
        with raising("worker_finishedjob"):
            job = atomic(trace, max_attempts=2)("one")
            crew.start(longest_sleep=0.05, leader_sign=unled)
            eventually(lambda: runs["one"] >= 4, within=30)
            assert not Effect.objects.exists()
        eventually(lambda: state_of(job.pk) == "succeeded")

    assert traces() == {"one": 1}
    assert {(each["job"].id, each["retry_in"]) for each in refused} == {(job.pk, 0.1)}


def test_it_is_told_until_the_job_has_run_again(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.2}
    monkeypatch.setattr(atomic_run, "SHORTEST_DELAY", 0.1)
    with raising("worker_finishedjob"):
        job = atomic(trace)("one")
        crew.start(longest_sleep=0.05, leader_sign=unled)
        eventually(WorkerProcess.objects.filter(unrecorded=1).exists)
        assert "not today" in found(work.problems)["unrecorded"].summary
        eventually(lambda: runs["one"] >= 3, within=30)
        assert WorkerProcess.objects.get().unrecorded == 1
    eventually(lambda: state_of(job.pk) == "succeeded")
    eventually(lambda: WorkerProcess.objects.get().unrecorded == 0)

    assert "unrecorded" not in found(work.problems)


@pytest.mark.parametrize("known", [False, True], ids=["its success", "its id"])
def test_an_atomic_job_whose_success_alone_is_refused_has_failed(crew: Crew, known: bool) -> None:
    job = atomic(trace, max_attempts=2)("one")
    if known:
        in_history(job.pk)
    with raising("worker_finishedjob", only="1 = 0" if known else "NEW.state = 'succeeded'"):
        crew.work_until_idle()

    assert runs["one"] == 2
    assert not Effect.objects.exists()
    assert FinishedJob.objects.order_by("pk").last().state == "failed"  # type: ignore[union-attr]


def test_a_commit_whose_answer_was_lost_is_not_done_again(crew: Crew) -> None:
    job = atomic(trace_and_lose_the_answer).enqueue("one")

    crew.work_until_idle()

    assert traces() == {"one": 1}
    assert runs == {"one": 1}
    assert FinishedJob.objects.filter(pk=job.pk, state="succeeded", attempts=1).exists()


# After the commit


def trace_and_look_from_outside(key: str) -> None:
    trace(key)

    def look() -> None:
        with another_session() as using:
            runs["succeeded"] += FinishedJob.objects.using(using).filter(state="succeeded").count()
            runs["effects"] += Effect.objects.using(using).count()

    look()
    transaction.on_commit(look)


def test_callbacks_run_when_all_is_committed_and_nothing_is_seen_before(crew: Crew) -> None:
    atomic(trace_and_look_from_outside).enqueue("one")

    crew.work_until_idle()

    assert runs == {"one": 1, "succeeded": 1, "effects": 1}


def trace_and_fail_after_commit(key: str) -> None:
    trace(key)
    transaction.on_commit(fail)


def test_a_callback_that_fails_is_told_and_its_job_has_succeeded(crew: Crew) -> None:
    job = atomic(trace_and_fail_after_commit).enqueue("one")

    with heard(signals.callback_failed) as failed, heard(signals.job_ended) as ended:
        crew.work_until_idle()

    assert (traces(), runs) == ({"one": 1}, {"one": 1})
    assert (state_of(job.pk), FinishedJob.objects.get().errors) == ("succeeded", "")
    assert [(each["job"].id, str(each["error"])) for each in failed] == [(job.pk, "no")]
    assert [each["job"].id for each in ended] == [job.pk]


# Beside others


def read_and_wait(key: str) -> None:
    runs[key] += 1
    runs["read"] += Effect.objects.count()
    begun.set()
    gate.wait(timeout=30)


@pytest.mark.parametrize("body", [wait_and_trace, read_and_wait])
def test_a_write_beside_a_run_that_has_not_written_yet_succeeds_and_the_run_too(
    crew: Crew, body: Callable[[str], None]
) -> None:
    """On SQLite the run begins again: what it has read is outdated. That is no failure of the task."""
    job = atomic(body).enqueue("run")
    crew.start(threads=1)
    assert begun.wait(timeout=10)

    with another_session() as using:
        Effect.objects.using(using).create(key="web")
    gate.set()
    eventually(lambda: state_of(job.pk) == "succeeded")

    assert traces() == Counter(["web", "run"] if body is wait_and_trace else ["web"])
    assert runs["read"] == (1 if connection.vendor == "sqlite" else 0)
    row = FinishedJob.objects.get()
    assert (row.attempts, row.interruptions, row.errors) == (1, 0, "")


def read_and_write(key: str) -> None:
    read_and_wait(key)
    try:
        Effect.objects.create(key=key)
    except OperationalError:
        runs["refused"] += 1
        raise


@pytest.mark.only_on("sqlite")
def test_a_run_that_has_read_waits_for_whoever_writes_just_now(crew: Crew) -> None:
    """SQLite lets nobody wait who has begun to read, so the run begins again. That is no failure of the task."""
    job = atomic(read_and_write).enqueue("run")
    crew.start(threads=1)
    assert begun.wait(timeout=10)

    with another_session() as using, transaction.atomic(using=using):
        Effect.objects.using(using).create(key="web")
        gate.set()
        eventually(lambda: runs["refused"])

    eventually(lambda: state_of(job.pk) == "succeeded")
    assert (traces(), runs["refused"]) == (Counter(["web", "run"]), 1)
    row = FinishedJob.objects.get()
    assert (row.attempts, row.interruptions, row.errors) == (1, 0, "")


def test_a_project_without_autocommit_has_atomic_tasks_too(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings[ALIAS], "AUTOCOMMIT", False)
    jobs = atomic(trace).enqueue_many([((str(n),), {}) for n in range(3)])

    crew.work_until_idle(threads=1)

    assert traces() == {"0": 1, "1": 1, "2": 1}
    assert FinishedJob.objects.filter(pk__in=jobs, state="succeeded", attempts=1).count() == 3


# Here, at once


def test_now_runs_an_atomic_task_in_a_transaction() -> None:
    with pytest.raises(ValueError, match="no"):
        atomic(trace_and_fail).now("undone")
    atomic(trace).now("done")

    assert traces() == {"done": 1}
