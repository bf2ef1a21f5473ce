"""A task sees that somebody has asked its job to stop, wherever it looks, and whatever became of its connection."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from contextvars import copy_context
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from schedules import background
from schedules.testing import run_jobs
from tests.app.models import Effect
from tests.conformance.worker.process.workers import Crew
from tests.conformance.worker.queue.jobs import ALIAS, another_session
from worker import Cancel, CurrentJob, current_job, queue
from worker.models import FinishedJob, Job
from worker.running import enquiries

pytestmark = pytest.mark.usefixtures("database")

LOOKS = 2000
"""Of a task, until it gives up."""

saw: list[bool] = []


@pytest.fixture(autouse=True)
def _from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    saw.clear()
    monkeypatch.setattr(enquiries.Enquiries, "pause", 0.05)


def here() -> CurrentJob:
    job = current_job()
    assert job is not None
    return job


def ask_to_stop(id: int | None) -> None:
    """By somebody else, in another session, while the task runs."""

    def cancel() -> None:
        with another_session("operator") as using:
            assert queue.cancel([id or 0], "enough", using).asked == [id]

    thread = threading.Thread(target=cancel)
    thread.start()
    thread.join()


def stop_when_asked() -> None:
    saw.append(here().cancelled)
    ask_to_stop(here().id)
    look_until_asked()


def look_until_asked() -> None:
    for _ in range(LOOKS):
        if here().cancelled:
            saw.append(True)
            return
        threading.Event().wait(0.01)


@background
def look() -> None:
    stop_when_asked()
    raise Cancel


@background(atomic=True)
def look_in_a_transaction() -> None:
    Effect.objects.exists()
    stop_when_asked()
    raise Cancel


@background
def look_in_async_code() -> None:
    async def work() -> None:
        stop_when_asked()

    asyncio.run(work())
    raise Cancel


@background
def look_in_a_thread() -> None:
    thread = threading.Thread(target=copy_context().run, args=(stop_when_asked,))
    thread.start()
    thread.join()
    raise Cancel


@background
def look_in_a_broken_transaction() -> None:
    saw.append(here().cancelled)
    ask_to_stop(here().id)
    with transaction.atomic():  # on SQLite it has the one write lock from its start
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column")
        look_until_asked()
        raise Cancel


@background
def look_once() -> None:
    saw.append(here().cancelled)


@background
def look_often() -> None:
    saw.extend(here().cancelled for _ in range(1000))


@background
def look_twice() -> None:
    queue.cancel([here().id or 0], "enough", ALIAS)
    saw.append(here().cancelled)
    saw.append(here().cancelled)


@background
def ask_what_needs_no_answer() -> None:
    assert here().covers is None
    assert here().previous_success is None


def tell_whether_it_goes_on(error: BaseException, job: CurrentJob) -> None:
    saw.append(job.cancelled)


@background(max_attempts=3, backoff=tell_whether_it_goes_on)
def be_asked_and_fail_with_a_backoff() -> None:
    queue.cancel([here().id or 0], "enough", ALIAS)
    raise LookupError


@background(max_attempts=3)
def be_asked_and_fail() -> None:
    queue.cancel([here().id or 0], "enough", ALIAS)
    saw.append(here().cancelled)
    raise LookupError("stopped in the middle")


@background
def be_asked_and_look_in_async_code() -> None:
    queue.cancel([here().id or 0], "enough", ALIAS)

    async def work() -> None:
        saw.append(here().cancelled)

    asyncio.run(work())


@background
def lose_the_job() -> None:
    Job.objects.filter(pk=here().id or 0).update(claim=1)
    saw.append(here().cancelled)


@pytest.mark.parametrize(
    "task",
    [look, look_in_a_transaction, look_in_async_code, look_in_a_thread, look_in_a_broken_transaction],
    ids=lambda task: task.task.name.rpartition(".")[2],
)
def test_a_running_task_sees_that_it_was_asked_to_stop_and_its_job_ends_as_cancelled(crew: Crew, task: Any) -> None:
    job = task()

    crew.work_until_idle()

    assert saw == [False, True]
    row = FinishedJob.objects.get(pk=job.pk)
    assert (row.state, row.reason, row.attempts, row.errors) == ("cancelled", "enough", 1, "")


def test_a_task_that_looks_all_the_time_asks_the_database_now_and_then(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    ask = enquiries.Enquiries.ask

    def counted(*what: Any) -> Any:
        asked.append(what)
        return ask(*what)

    monkeypatch.setattr(enquiries.Enquiries, "ask", counted)
    monkeypatch.setattr(enquiries.Enquiries, "pause", 60.0)
    look_often()

    crew.work_until_idle()

    assert saw == [False] * 1000
    assert len(asked) == 1
    assert enquiries.PAUSE == 1.0


def test_of_several_threads_of_a_task_one_asks(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    ask = enquiries.Enquiries.ask

    def look_meanwhile(*what: Any) -> Any:
        asked.append(what)
        if len(asked) == 1:
            other = threading.Thread(target=copy_context().run, args=(look_once.task.function,))
            other.start()
            other.join()
        return ask(*what)

    monkeypatch.setattr(enquiries.Enquiries, "ask", look_meanwhile)
    monkeypatch.setattr(enquiries.Enquiries, "pause", 60.0)
    look_once()

    crew.work_until_idle()

    assert (saw, len(asked)) == ([False, False], 1)


def test_a_task_that_was_asked_to_stop_knows_it_though_the_database_goes_away(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = enquiries.Enquiries.ask
    monkeypatch.setattr(enquiries.Enquiries, "ask", lambda *what: no_session() if saw else ask(*what))
    monkeypatch.setattr(enquiries.Enquiries, "pause", 0.0)
    look_twice()

    crew.work_until_idle()

    assert saw == [True, True]


def no_session(*_: object) -> None:
    raise DatabaseError("away")


def test_who_asks_nothing_that_only_the_database_knows_opens_no_session(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    monkeypatch.setattr(enquiries, "private_connection", lambda *what: opened.append(what))
    ask_what_needs_no_answer()

    crew.work_until_idle()

    assert (FinishedJob.objects.get().state, opened) == ("succeeded", [])


def test_while_the_database_cannot_be_asked_a_task_goes_on(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enquiries, "private_connection", no_session)
    look_once()

    crew.work_until_idle()

    assert (saw, FinishedJob.objects.get().state) == ([False], "succeeded")


def test_a_question_outlives_the_session_in_which_the_one_before_was_answered() -> None:
    asked = enquiries.Enquiries(ALIAS)
    answers: list[str] = []

    def answer(using: str) -> str:
        """The first session is lost after its first answer."""
        if answers and len(answers) == 1:
            answers.append("lost")
            raise DatabaseError("gone")
        answers.append(using)
        return using

    assert [asked.ask(answer), asked.ask(answer)] == [f"{ALIAS}:enquiries"] * 2
    with pytest.raises(ZeroDivisionError):
        asked.ask(lambda _: 1 // 0)
    asked.close()
    assert asked.ask(lambda using: using) == f"{ALIAS}:enquiries"
    asked.close()


@pytest.mark.parametrize(
    ("what", "fault", "told"),
    [
        pytest.param("Thread", RuntimeError("can't start new thread"), OperationalError, id="no thread"),
        pytest.param("private_connection", ZeroDivisionError(), ZeroDivisionError, id="a receiver raises"),
    ],
)
def test_a_question_that_could_not_be_asked_hangs_neither_itself_nor_the_next(
    what: str, fault: Exception, told: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = enquiries.Enquiries(ALIAS)
    with monkeypatch.context() as patched:
        patched.setattr(enquiries, what, Mock(side_effect=fault))
        with pytest.raises(told):
            asked.ask(lambda using: using)

    assert asked.ask(lambda using: using) == f"{ALIAS}:enquiries"
    asked.close()


def test_a_task_whose_job_another_worker_has_is_told_to_stop() -> None:
    lose_the_job()

    run_jobs()

    assert saw == [True]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        pytest.param(be_asked_and_fail, ("cancelled", "enough", 1), id="fails"),
        pytest.param(be_asked_and_look_in_async_code, ("succeeded", "", 0), id="async"),
        pytest.param(be_asked_and_fail_with_a_backoff, ("cancelled", "enough", 1), id="backoff"),
    ],
)
def test_a_task_that_a_test_runs_is_told_as_well(task: Any, expected: tuple[str, str, int]) -> None:
    job = task()

    run_jobs()

    assert saw == [True]
    row = FinishedJob.objects.get(pk=job.pk)
    assert (row.state, row.reason, len(row.error_list)) == expected


def test_a_task_that_is_called_at_once_is_never_asked_to_stop() -> None:
    look_once.now()

    assert saw == [False]
