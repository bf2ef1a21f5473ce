"""A job by its id, before and after it is finished, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import SynchronousOnlyOperation
from django.db.models.sql.compiler import SQLCompiler

from schedules import background
from schedules.testing import run_jobs
from tests.conformance.worker.dialects.statements import happening_before
from tests.conformance.worker.queue.jobs import ack, claim_one, enqueue, in_history
from worker import api
from worker.api import Cancellation
from worker.models import FinishedJob, Job
from worker.outcomes import Succeeded

pytestmark = pytest.mark.django_db(transaction=True)


@background(keep_result=True)
def double(number: int) -> int:
    return 2 * number


@background(max_attempts=1)
def fail() -> None:
    raise LookupError("nothing there")


def test_a_job_is_found_while_it_waits_and_when_it_is_finished() -> None:
    job = api.get(double(21).pk)
    assert (job.state, job.is_finished, job.result, job.errors) == ("ready", False, None, [])

    run_jobs()

    assert (job.state, job.refresh().state) == ("ready", "succeeded")
    assert (job.refresh().is_finished, job.refresh().result) == (True, 42)


@pytest.mark.parametrize("statements", range(3))
def test_a_job_is_found_whenever_it_ends_while_it_is_looked_up(statements: int) -> None:
    id = enqueue()
    claimed = claim_one()

    with happening_before(statements, lambda: ack(claimed, Succeeded())):
        assert api.get(id).id == id


def test_the_job_in_the_queue_is_meant_where_history_has_one_of_its_id() -> None:
    id = enqueue()
    in_history(id)

    job = api.get(id)

    assert (job.state, job.is_finished) == ("ready", False)
    with pytest.raises(api.NotFinished):
        job.wait(timeout=0)


def test_to_look_up_a_job_again_composes_no_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    live, finished = enqueue(), 1_000_000
    in_history(finished)
    before = [api.get(id).row for id in (live, finished)]

    monkeypatch.delattr(SQLCompiler, "as_sql")

    assert [api.get(id).row for id in (live, finished)] == before


def test_a_result_that_is_not_kept_is_none() -> None:
    job = double.using().enqueue(21)
    Job.objects.update(task_options='{"keep_result": false}')

    run_jobs()

    assert (api.get(job.pk).state, api.get(job.pk).result) == ("succeeded", None)


def test_a_failed_job_tells_its_errors_and_is_retried_as_a_new_one() -> None:
    job = api.get(fail().pk)
    run_jobs()

    again = job.retry()

    (error,) = job.refresh().errors
    assert (error["kind"], error["message"]) == ("LookupError", "nothing there")
    assert (again.state, again.row.retry_of) == ("ready", job.id)


def test_a_cancellation_says_whether_the_job_has_ended_or_was_asked_to_stop_or_had_finished() -> None:
    job, started = api.get(double(1).pk), api.get(double(2).pk)
    assert job.cancel("not wanted") is Cancellation.CANCELLED
    claimed = claim_one()

    assert started.cancel("stop") is Cancellation.ASKED
    assert (started.refresh().state, started.refresh().is_asked_to_stop) == ("running", True)
    ack(claimed, Succeeded())
    assert started.cancel("too late") is Cancellation.TOO_LATE

    assert (job.refresh().state, started.refresh().state) == ("cancelled", "succeeded")
    assert FinishedJob.objects.get(pk=job.id).reason == "not wanted"
    assert not started.refresh().is_asked_to_stop
    assert [each for each in Cancellation if each] == [Cancellation.CANCELLED, Cancellation.ASKED]


def test_what_is_not_finished_cannot_be_retried() -> None:
    with pytest.raises(api.NoSuchJob, match="cannot be retried"):
        api.get(double(1).pk).retry()

    assert Job.objects.count() == 1


@pytest.mark.parametrize("id", [0, -7, 2**63, 2**64, pytest.param(10**5000, id="long"), "7", 7.0, None, True], ids=repr)
def test_what_is_no_id_of_a_job_is_refused(id: Any) -> None:
    in_history(7)

    with pytest.raises(api.NoSuchJob, match="must be the id of a job"):
        api.get(id)


def test_a_reason_that_is_no_short_text_is_refused() -> None:
    job = api.get(double(1).pk)

    with pytest.raises(ValueError, match="reason"):
        job.cancel("a\x00b")

    assert job.refresh().state == "ready"


def test_async_code_has_the_same() -> None:
    async def work(id: int) -> list[str]:
        job = await api.aget(id)
        cancelled = await job.acancel("not wanted")
        again = await (await job.arefresh()).aretry()
        return [job.state, str(cancelled), (await job.arefresh()).state, again.state]

    assert async_to_sync(work)(double(1).pk) == ["ready", "Cancellation.CANCELLED", "cancelled", "ready"]


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda job: job.refresh(), "await ….aget(…)."),
        (lambda job: job.wait(), "await ….await_finished(…)."),
        (lambda job: job.cancel(), "await ….acancel(…)."),
        (lambda job: job.retry(), "await ….aretry(…)."),
    ],
    ids=["refresh", "wait", "cancel", "retry"],
)
def test_a_verb_in_async_code_is_refused_and_told_how(call: Callable[[api.JobHandle], object], instead: str) -> None:
    async def work(id: int) -> None:
        job = await api.aget(id)
        with pytest.raises(SynchronousOnlyOperation) as refused:
            call(job)
        assert str(refused.value).endswith(f" in async code: write {instead}")

    async_to_sync(work)(double(1).pk)

    assert Job.objects.get().state == "ready"
