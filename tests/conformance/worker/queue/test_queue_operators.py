"""The operator's verbs: cancel what nobody has started, retry what is over, forget what is old."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from sqlite3 import SQLITE_LIMIT_VARIABLE_NUMBER

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.conformance.worker.queue.jobs import (
    ALIAS,
    ack,
    another_session,
    claim,
    claim_one,
    ended,
    enqueue,
    enqueue_in,
    error,
    ids,
    new,
    rolled_back,
    rows,
    state_of,
)
from tests.schedules.recurrence.moments import at
from worker import erasure, queue
from worker.arguments import encode
from worker.models import FinishedJob, Job, JobState
from worker.outcomes import Failed, Retry, Succeeded
from worker.values import Ended

pytestmark = pytest.mark.usefixtures("database")

UNSTARTED = (JobState.SCHEDULED, JobState.WAITING, JobState.HELD, JobState.READY)


def finish(*runs: str) -> None:
    """End all that is ready, one each at these times."""
    jobs = claim(len(runs))
    now = [at(run) for run in runs]
    queue.ack(ALIAS, [Ended(job, Succeeded(), then, then) for job, then in zip(jobs, now, strict=True)])


# Cancel


@pytest.mark.parametrize("state", UNSTARTED)
def test_a_job_that_nobody_has_started_is_cancelled_with_the_reason(state: JobState) -> None:
    id = enqueue_in(state)

    assert queue.cancel([id], "not needed", ALIAS).cancelled == [id]

    row = FinishedJob.objects.get(pk=id)
    assert (row.state, row.reason, row.attempts, row.started_at, row.worker) == ("cancelled", "not needed", 0, None, "")
    assert row.finished_at >= row.enqueued_at
    assert not Job.objects.filter(pk=id).exists()


def test_a_cancelled_retry_keeps_its_attempts_and_errors() -> None:
    id = enqueue()
    ack(claim_one(), Retry(error("first"), 3600))

    queue.cancel([id], "not needed", ALIAS)

    row = FinishedJob.objects.get(pk=id)
    assert (row.attempts, [each["message"] for each in row.error_list]) == (1, ["first"])


@pytest.mark.only_on("sqlite")
def test_more_jobs_than_a_statement_takes_values_are_cancelled_and_retried() -> None:
    most = 20_000  # SQLite itself allows 32,766
    many = queue.enqueue_many([new(n) for n in range(most + 1)], ALIAS)
    before = connection.connection.setlimit(SQLITE_LIMIT_VARIABLE_NUMBER, most)
    try:
        assert queue.cancel(many, "not needed", ALIAS).cancelled == many
        assert len(queue.retry(many, ALIAS)) == len(many)
    finally:
        connection.connection.setlimit(SQLITE_LIMIT_VARIABLE_NUMBER, before)


def test_of_many_jobs_those_that_could_be_cancelled_are_named() -> None:
    enqueue(priority=1)
    running = claim_one()
    unstarted = [enqueue_in(state) for state in UNSTARTED]

    reached = queue.cancel([*unstarted, running.id, 987_654_321], "not needed", ALIAS)

    assert reached == (sorted(unstarted), [running.id])
    assert not queue.cancel([], "not needed", ALIAS)


def test_thousands_are_cancelled_at_once() -> None:
    numbers = queue.enqueue_many([new(n) for n in range(2500)], ALIAS)

    assert queue.cancel(numbers, "not needed", ALIAS).cancelled == numbers
    assert Job.objects.count() == 0


def test_a_cancellation_joins_the_callers_transaction() -> None:
    id = enqueue()

    with rolled_back():
        assert queue.cancel([id], "not needed", ALIAS).cancelled == [id]

    assert state_of(id) == "ready"
    assert ids(claim()) == [id]


def test_a_job_is_cancelled_once() -> None:
    id = enqueue()
    queue.cancel([id], "first", ALIAS)
    before = rows()

    assert queue.cancel([id], "second", ALIAS).cancelled == []
    assert rows() == before


# Cancel what is equal


def test_jobs_of_the_same_task_and_arguments_are_cancelled_and_no_others() -> None:
    equal = [enqueue_in(state, 7, task="shop.report") for state in UNSTARTED]
    others = [enqueue(8, task="shop.report"), enqueue(7, task="shop.other"), enqueue(task="shop.report")]

    assert queue.cancel_equal("shop.report", encode([7], {}), "replaced", ALIAS) == sorted(equal)
    assert [state_of(id) for id in others] == ["ready"] * 3


@pytest.mark.parametrize(
    ("argument", "task"),
    [("eu", "a.task"), ("EU ", "a.task"), ("ÉU", "a.task"), ("🔔", "a.task"), ("EU", "a.Task"), ("EU", "a.task ")],
)
def test_arguments_and_tasks_that_look_alike_are_not_equal(argument: str, task: str) -> None:
    other = enqueue(argument, task=task)
    equal = enqueue("EU")

    assert queue.cancel_equal("a.task", encode(["EU"], {}), "replaced", ALIAS) == [equal]
    assert state_of(other) == "ready"


def test_a_running_job_is_not_replaced() -> None:
    enqueue(7)
    claim()

    assert queue.cancel_equal("a.task", encode([7], {}), "replaced", ALIAS) == []


# Cancel a lane


def test_unstarted_jobs_of_a_lane_are_cancelled_and_no_others() -> None:
    enqueue(lane="a", priority=100)
    running = claim_one()
    unstarted = [enqueue_in(state, lane="a") for state in UNSTARTED]
    others = [enqueue(lane="b"), enqueue()]

    assert queue.cancel_lane("a", "deleted", ALIAS) == sorted(unstarted)
    assert [state_of(id) for id in (running.id, *others)] == ["running", "ready", "ready"]


# Retry


def test_a_retry_is_a_new_job_linked_to_the_finished_one() -> None:
    old = enqueue(
        7,
        task="shop.report",
        queue="mail",
        priority=-7,
        max_attempts=3,
        verbose_name="Report",
        creator="shop.User:7",
        schedule_id=11,
        scheduled_for=at("10:05"),
    )
    ack(claim_one(), Failed(error()))
    history = FinishedJob.objects.values().get(pk=old)

    (new_id,) = queue.retry([old], ALIAS)

    job = Job.objects.get(pk=new_id)
    assert (job.retry_of, job.state, job.attempts, job.interruptions, job.errors) == (old, "ready", 0, 0, "")
    assert (job.task, job.arguments, job.queue, job.priority) == ("shop.report", "[[7],{}]", "mail", -7)
    assert (job.max_attempts, job.verbose_name, job.creator) == (3, "Report", "shop.User:7")
    assert new_id != old
    noted = FinishedJob.objects.values().get(pk=old)
    assert noted["retried_at"] is not None
    assert history["finished_at"] <= noted["retried_at"] <= job.enqueued_at
    assert noted | {"retried_at": None} == history


def test_several_are_retried_in_their_order_and_the_unknown_are_passed_over() -> None:
    old = [enqueue(n) for n in range(3)]
    for job in claim():
        ack(job, Succeeded())

    again = queue.retry([987_654_321, *reversed(old)], ALIAS)

    assert list(Job.objects.order_by("pk").values_list("pk", "retry_of")) == list(zip(again, old, strict=True))
    assert queue.retry([], ALIAS) == []


def test_memory_does_not_follow_how_much_is_retried() -> None:
    old = [enqueue("x" * 2**20) for _ in range(40)]
    for job in claim():
        ack(job, Succeeded())

    again, most = _with_most_memory(lambda: queue.retry(old, ALIAS))

    assert len(again) == 40
    assert most < 20 * 2**20, most


def _with_most_memory(do: Callable[[], list[int]]) -> tuple[list[int], int]:
    """What it returns, and the bytes that it held at a time, as Python counts them."""
    gc.collect()
    tracemalloc.start()
    try:
        return do(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_live_job_is_not_retried() -> None:
    id = enqueue()

    assert queue.retry([id], ALIAS) == []
    assert Job.objects.count() == 1


# Prune


def test_exactly_what_finished_before_is_forgotten() -> None:
    old, edge, young, live = (enqueue() for _ in range(4))
    finish("09:59:59.999", "10:00", "10:01")

    assert sum(queue.prune(ALIAS, at("10:00"))) == 1
    assert [state_of(id) for id in (old, edge, young, live)] == [None, "succeeded", "succeeded", "ready"]


def test_many_are_forgotten_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "PORTION", 100)
    queue.enqueue_many([new(n) for n in range(250)], ALIAS)
    now = at("10:00")
    queue.ack(ALIAS, [Ended(job, Succeeded(), now, now) for job in claim()])

    with CaptureQueriesContext(connection) as queries:
        assert sum(queue.prune(ALIAS, now + timedelta(seconds=1))) == 250

    assert sum("DELETE" in query["sql"] for query in queries) == 3
    looks = [query["sql"] for query in queries if query["sql"].startswith("SELECT") and "ORDER BY" in query["sql"]]
    assert len({look.count("finished_at") for look in looks[1:]}) == 1  # none asks for more than the one before it
    assert FinishedJob.objects.count() == 0


def test_nothing_old_is_nothing_to_forget() -> None:
    enqueue()
    assert sum(queue.prune(ALIAS, at("2900-01-01 00:00"))) == 0


def test_another_session_may_work_while_one_cancels() -> None:
    id = enqueue()
    job_of_other = enqueue()
    queue.cancel([id], "not needed", ALIAS)

    with another_session() as other:
        (job,) = claim(using=other)
        assert job.id == job_of_other
        assert queue.ack(other, [ended(job, Succeeded())])
