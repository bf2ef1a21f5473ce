"""A task asks which job runs it, and its log records say so, on every database."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextvars import copy_context
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from schedules import api, background
from schedules.models import Occurrence
from schedules.testing import ManualClock, run_jobs
from tests.conformance.worker.framework import tasks as framework_tasks
from tests.conformance.worker.process.workers import Crew
from worker import CurrentJob, JobFilter, current_job
from worker.clock import database_now
from worker.models import FinishedJob, Job

pytestmark = pytest.mark.usefixtures("database")

told: list[CurrentJob | None] = []


@pytest.fixture(autouse=True)
def _nothing_told_yet() -> None:
    told.clear()


@background(queue="mail", max_attempts=3, backoff=[0])
def tell() -> None:
    told.append(current_job())


@background(max_attempts=3, backoff=[60])
def tell_and_fail() -> None:
    tell.now()
    told.append(current_job())
    raise LookupError


@background
def tell_from_elsewhere() -> None:
    async def ask() -> None:
        told.append(current_job())
        await sync_to_async(tell.task.function)()

    async_to_sync(ask)()
    asyncio.run(ask())
    for target in (copy_context().run, lambda function: function()):
        thread = threading.Thread(target=target, args=(tell.task.function,))
        thread.start()
        thread.join()


@background
def speak(words: str) -> None:
    logging.getLogger("shop").warning(words)


def test_a_task_knows_the_job_that_runs_it(crew: Crew) -> None:
    job = tell()

    crew.work_until_idle()

    finished = FinishedJob.objects.get()
    assert told == [CurrentJob(job.pk, tell.task.name, 1, 3, "mail", finished.enqueued_at, None)]
    assert current_job() is None


def test_jobs_beside_each_other_each_know_their_own(crew: Crew) -> None:
    ids = tell.enqueue_many([((), {})] * 200)

    crew.work_until_idle(threads=4)

    assert sorted(job.id or 0 for job in told if job) == ids


def test_a_task_knows_its_attempt() -> None:
    tell_and_fail()
    clock = ManualClock(database_now("default"))
    for _ in range(3):
        run_jobs(clock=clock)
        clock.advance(120)

    assert [job.attempt for job in told if job and job.id] == [1, 2, 3]


def test_a_task_knows_the_instant_for_which_its_schedule_runs_it() -> None:
    clock = ManualClock(database_now("default"))
    api.schedule(tell, name="tell", repeat=3600)
    clock.advance(3700)

    run_jobs(clock=clock)

    assert [job and job.scheduled_for for job in told] == [Occurrence.objects.get().scheduled_for]


def test_a_task_that_is_called_at_once_has_no_job_and_the_caller_still_has_its_own() -> None:
    tell.now()
    assert told == [CurrentJob(None, tell.task.name, 1, 1, "mail")]
    told.clear()
    assert current_job() is None

    job = tell_and_fail()
    run_jobs()
    assert [each and (each.id, each.task) for each in told] == [
        (None, tell.task.name),
        (job.pk, tell_and_fail.task.name),
    ]


def test_a_job_is_known_in_async_code_and_in_a_thread_that_is_given_the_context(crew: Crew) -> None:
    job = tell_from_elsewhere()

    crew.work_until_idle()

    assert [each and each.id for each in told[:5]] == [job.pk] * 5
    assert len(told) == 6, "what a plain thread knows, Python decides"


def test_a_task_of_the_framework_knows_its_job() -> None:
    result = framework_tasks.tell_its_job.enqueue()

    run_jobs()

    result.refresh()
    assert result.return_value == [int(result.id), framework_tasks.tell_its_job.module_path, 1, 1]
    assert not Job.objects.exists()


def test_a_task_knows_from_when_on_no_attempt_of_it_starts() -> None:
    clock = ManualClock(database_now("default"))
    api.schedule(tell, name="tell", repeat=3600)
    api.schedule(tell_and_fail, name="tell past the next", repeat=3600, retry_past_next=True)
    clock.advance(3700)

    run_jobs(clock=clock)

    deadlines = {job.task: job.deadline for job in told if job and job.id}
    next_run = Occurrence.objects.filter(schedule__name="tell").get().scheduled_for + timedelta(hours=1)
    assert deadlines == {tell.task.name: next_run, tell_and_fail.task.name: None}


def test_what_a_job_does_not_know_without_a_schedule_is_none_in_a_worker_in_a_test_and_at_once(crew: Crew) -> None:
    tell()
    crew.work_until_idle()
    tell()
    run_jobs()
    tell.now()

    assert [each and (each.deadline, each.covers, each.previous_success) for each in told] == [(None, None, None)] * 3


# Log records


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What comes to a handler that has the filter."""
    found: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler, log = Keeping(), logging.getLogger("shop")
    handler.addFilter(JobFilter())
    log.addHandler(handler)
    yield found
    log.removeHandler(handler)


def of_job(record: logging.LogRecord) -> tuple[object, ...]:
    return tuple(vars(record)[name] for name in ("job_id", "job_task", "job_attempt"))


def test_a_log_record_says_in_which_job_it_was_made(crew: Crew, records: list[logging.LogRecord]) -> None:
    job = speak("in a job")

    crew.work_until_idle()
    speak.now("at once")
    logging.getLogger("shop").warning("outside")

    name = speak.task.name
    assert [of_job(each) for each in records] == [(job.pk, name, 1), (None, name, 1), (None, None, None)]
    in_a_job = vars(records[0])
    assert {name: in_a_job[f"job_{name}"] for name in ("queue", "max_attempts", "scheduled_for", "deadline")} == {
        "queue": "default",
        "max_attempts": speak.task.attempts_allowed,
        "scheduled_for": None,
        "deadline": None,
    }
    assert in_a_job["job_enqueued_at"] == FinishedJob.objects.get().enqueued_at


def test_a_log_record_keeps_the_job_in_which_it_was_made_where_another_thread_writes_it() -> None:
    record = logging.makeLogRecord({"job_id": 7, "job_task": "shop.tasks.ship", "job_attempt": 2})

    assert JobFilter().filter(record)
    assert of_job(record) == (7, "shop.tasks.ship", 2)


def test_what_a_job_tells_of_itself_cannot_be_changed() -> None:
    job = CurrentJob(7, "task", 1, 1, "default", datetime(2026, 1, 1, tzinfo=UTC))

    with pytest.raises(AttributeError):
        job.attempt = 2  # type: ignore[misc]
