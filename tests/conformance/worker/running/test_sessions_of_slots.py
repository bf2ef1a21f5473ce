"""A job for which there is no session with the database, or whose session is gone before it has done anything in it."""

from __future__ import annotations

from collections.abc import Callable
from threading import current_thread
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from schedules.declarations import Background
from schedules.declarations.background import declare_task
from tests.app.models import Effect
from tests.conformance.worker.process.workers import Crew, Session, cut, heard
from tests.conformance.worker.queue.jobs import ALIAS, another_session
from tests.processes import eventually
from worker import signals
from worker.models import FinishedJob, Job
from worker.running import pool, slot_connections

pytestmark = [
    pytest.mark.usefixtures("database", "own_declarations", "persistent_sessions"),
    pytest.mark.only_on("postgresql", "mysql"),
]


@pytest.fixture
def persistent_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings[ALIAS], "CONN_MAX_AGE", None)


def write(key: str) -> None:
    Effect.objects.create(key=key)


def task(function: Callable[..., Any] = write, **options: Any) -> Background[Any, Any, Any]:
    return declare_task(function, None, {"max_attempts": 1, "backoff": [0], **options})


plain_or_atomic = pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])


def traces() -> list[str]:
    return list(Effect.objects.order_by("pk").values_list("key", flat=True))


def sessions_of_slots(crew: Crew) -> list[Session]:
    return [each for each in crew.sessions if each.alias == ALIAS and each.connection is not connections[ALIAS]]


def end(session: Session) -> None:
    """From outside, and wait until the server has done it."""
    cut(session)
    eventually(lambda: not _is_there(session))


def _is_there(session: Session) -> bool:
    with another_session() as using, connections[using].cursor() as cursor:
        cursor.execute(_THERE[session.connection.vendor], [session.number])
        return bool(cursor.fetchone()[0])


def _is_to_be_checked(session: Session) -> bool:
    return not session.connection.health_check_done  # type: ignore[attr-defined]


_THERE = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE pid = %s",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE id = %s",
}


@plain_or_atomic
@pytest.mark.parametrize("longest_use", [0.0, 60.0])
def test_persistent_sessions_that_the_server_ended_cost_no_attempt(
    crew: Crew, atomic: bool, longest_use: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_connections, "LONGEST_USE", longest_use)
    crew.start(threads=1)
    for number in range(3):
        job = task(atomic=atomic)(str(number))
        eventually(lambda pk=job.pk: FinishedJob.objects.filter(pk=pk).exists())  # type: ignore[misc]
        session = sessions_of_slots(crew)[-1]
        eventually(lambda: _is_to_be_checked(session))  # noqa: B023  nobody has used it for a while
        end(session)

    assert traces() == ["0", "1", "2"]
    assert FinishedJob.objects.filter(state="succeeded", attempts=1).count() == 3


@plain_or_atomic
def test_a_session_that_goes_between_two_jobs_costs_no_attempt(crew: Crew, atomic: bool) -> None:
    task()("first")
    task(atomic=atomic)("second")
    began: list[str] = []
    ended: list[str] = []

    def end_before_second(**_: Any) -> None:
        began.append("a job")
        if len(began) == 2:
            end(Session.of(connections[ALIAS]))
            ended.append("its session")

    signals.job_started.connect(end_before_second)
    try:
        crew.work_until_idle(threads=1)
    finally:
        signals.job_started.disconnect(end_before_second)

    assert ended
    assert traces() == ["first", "second"]
    assert FinishedJob.objects.filter(state="succeeded", attempts=1).count() == 2


@plain_or_atomic
def test_jobs_that_follow_each_other_ask_the_server_for_nothing_else(
    crew: Crew, atomic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings[ALIAS], "CONN_HEALTH_CHECKS", True)
    monkeypatch.setattr(slot_connections, "LONGEST_USE", 60)
    monkeypatch.setattr(pool, "BREAK", 60)
    wrapper = type(connections[ALIAS])
    is_usable, asked = wrapper.is_usable, []

    def count(of: Any) -> bool:
        asked.append(of)
        return is_usable(of)

    monkeypatch.setattr(wrapper, "is_usable", count)
    task(atomic=atomic).enqueue_many([((str(number),), {}) for number in range(20)])

    crew.work_until_idle(threads=1)

    assert len(traces()) == 20
    assert asked == []


def write_and_lose_the_session(key: str) -> None:
    Effect.objects.create(key=key)
    end(Session.of(connections[ALIAS]))
    Effect.objects.create(key=f"{key}, too")


def test_a_session_that_goes_when_a_job_has_begun_to_write_costs_an_attempt(crew: Crew) -> None:
    task()("before")
    job = task(write_and_lose_the_session)("once")

    crew.work_until_idle(threads=1)

    assert traces() == ["before", "once"]
    row = FinishedJob.objects.get(pk=job.pk)
    assert (row.state, row.attempts) == ("failed", 1)


def die() -> None:
    end, number = {
        "postgresql": ("SELECT pg_terminate_backend(%s)", lambda: connection.connection.info.backend_pid),
        "mysql": ("KILL CONNECTION %s", lambda: connection.connection.thread_id()),
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(end, [number()])  # type: ignore[no-untyped-call]


def test_a_task_whose_first_statement_may_have_been_done_makes_an_attempt(crew: Crew) -> None:
    task()("before")
    job = task(die)()

    crew.work_until_idle(threads=1)

    row = FinishedJob.objects.get(pk=job.pk)
    assert (row.state, row.attempts) == ("failed", 1)


@plain_or_atomic
def test_a_job_waits_in_its_worker_while_no_session_is_to_be_had(
    crew: Crew, atomic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "LONGEST_PAUSE", 0.05)
    settings = connections.settings[ALIAS]
    right = settings["PORT"]
    task()("before")
    task(atomic=atomic)("after")
    began: list[str] = []
    tries: list[float] = []

    def go_away(**_: Any) -> None:
        began.append("a job")
        if len(began) == 2:
            end(Session.of(connections[ALIAS]))
            monkeypatch.setitem(settings, "PORT", "1")

    def come_back(**what: Any) -> None:
        tries.append(what["retry_in"])
        if len(tries) == 3:
            monkeypatch.setitem(settings, "PORT", right)

    signals.job_started.connect(go_away)
    signals.job_put_off.connect(come_back)
    try:
        crew.work_until_idle(threads=1)
    finally:
        signals.job_started.disconnect(go_away)
        signals.job_put_off.disconnect(come_back)

    assert traces() == ["before", "after"]
    assert FinishedJob.objects.filter(state="succeeded", attempts=1, interruptions=0).count() == 2
    assert tries == [0.02, 0.04, 0.05]


def test_a_plain_job_that_gets_no_session_for_its_first_statement_loses_no_attempt(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slot has none from a job before, so the job has to open one."""
    settings = connections.settings[ALIAS]
    right = settings["PORT"]
    job = task()("once")

    def go_away(**_: Any) -> None:
        monkeypatch.setitem(settings, "PORT", "1")

    def come_back(**_: Any) -> None:
        monkeypatch.setitem(settings, "PORT", right)

    signals.job_started.connect(go_away)
    signals.job_put_off.connect(come_back)
    with heard(signals.job_put_off) as put_off:
        try:
            crew.work_until_idle(threads=1)
        finally:
            signals.job_started.disconnect(go_away)
            signals.job_put_off.disconnect(come_back)

    assert put_off
    assert traces() == ["once"]
    row = FinishedJob.objects.get(pk=job.pk)
    assert (row.state, row.attempts, row.interruptions) == ("succeeded", 1, 0)


def read_elsewhere() -> None:
    connections["elsewhere"].ensure_connection()


def test_a_job_that_gets_no_session_with_another_database_makes_an_attempt(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue goes on without that database, so the job would keep a slot for as long as it is away."""
    monkeypatch.setitem(connections.settings, "elsewhere", {**connections.settings[ALIAS], "PORT": "1"})
    job = task(read_elsewhere)()

    crew.work_until_idle(threads=1)

    row = FinishedJob.objects.get(pk=job.pk)
    assert (row.state, row.attempts) == ("failed", 1)


def test_a_job_that_finds_no_session_after_its_worker_was_told_to_stop_is_given_back(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = type(connections[ALIAS])
    connect = wrapper.get_new_connection
    hand = crew.start(threads=1)
    eventually(lambda: hand.id)

    def refuse_slots(of: Any, params: Any) -> Any:
        if not current_thread().name.startswith("carillon-slot"):
            return connect(of, params)
        hand.stop()
        eventually(lambda: stopping)
        raise OperationalError("Too many connections.")

    monkeypatch.setattr(wrapper, "get_new_connection", refuse_slots)
    with heard(signals.worker_stopping) as stopping:
        job = task(atomic=True)("never")
        hand.wait()

    row = Job.objects.get(pk=job.pk)
    assert (row.state, row.attempts, row.interruptions, len(stopping)) == ("ready", 0, 0, 1)


def test_a_job_that_waits_for_a_session_is_given_back_when_its_worker_stops(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings[ALIAS], "CONN_MAX_AGE", 0)
    hand = crew.start(threads=1)
    eventually(lambda: hand.id)
    right = connections.settings[ALIAS]["PORT"]
    monkeypatch.setitem(connections.settings[ALIAS], "PORT", "1")
    with heard(signals.job_put_off) as told:
        job = task(atomic=True)("never")
        eventually(lambda: told)
        hand.stop()
        hand.wait()

    monkeypatch.setitem(connections.settings[ALIAS], "PORT", right)
    row = Job.objects.get(pk=job.pk)
    assert (row.state, row.attempts, row.interruptions) == ("ready", 0, 0)
    assert {each["job"].id for each in told} == {job.pk}
