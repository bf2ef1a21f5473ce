"""A job that runs is not ended by a cancellation: it is asked to stop, and does not run again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from tests.conformance.worker.queue.jobs import (
    ALIAS,
    SOMEBODY,
    ack,
    claim,
    claim_one,
    ended,
    enqueue,
    error,
    ids,
    rolled_back,
    state_of,
    strike_off,
)
from worker import queue
from worker.clock import database_now
from worker.dialects import dialect_of
from worker.models import FinishedJob, FinishedState, Job
from worker.outcomes import Cancelled, Failed, Outcome, Retry, Snoozed, Succeeded
from worker.values import Finish

pytestmark = pytest.mark.usefixtures("database")

ENDS: dict[str, Callable[[], Outcome]] = {
    "fails": lambda: Failed(error()),
    "retries later": lambda: Retry(error(), 60),
    "retries at once": lambda: Retry(error(), 0),
    "snoozes": lambda: Snoozed(60),
    "cancels itself": lambda: Cancelled(""),
}


def test_a_running_job_is_asked_to_stop_and_recorded_by_who_runs_it() -> None:
    enqueue()
    job = claim_one()

    assert queue.cancel([job.id], "not needed", ALIAS) == ([], [job.id])
    assert ack(job, Succeeded())

    row = FinishedJob.objects.get(pk=job.id)
    assert (row.state, row.reason) == ("succeeded", "")


@pytest.mark.parametrize("outcome", ENDS.values(), ids=list(ENDS))
def test_a_job_that_was_asked_to_stop_ends_as_cancelled_unless_it_succeeds(outcome: Callable[[], Outcome]) -> None:
    enqueue()
    job = claim_one()
    queue.cancel([job.id], "not needed", ALIAS)
    queue.cancel([job.id], "said again", ALIAS)
    what = ended(job, outcome())
    failure = getattr(what.outcome, "error", None)

    (recorded,) = queue.ack(ALIAS, [what], "host:1")

    assert recorded == what._replace(outcome=Cancelled("not needed", failure))
    row = FinishedJob.objects.get(pk=job.id)
    assert (row.state, row.reason, row.attempts, row.worker) == ("cancelled", "not needed", 1, "host:1")
    assert [each["message"] for each in row.error_list] == (["no"] if failure else [])
    assert not Job.objects.exists()


def test_what_a_task_says_itself_when_it_stops_is_the_reason() -> None:
    enqueue()
    job = claim_one()
    queue.cancel([job.id], "not needed", ALIAS)

    assert ack(job, Cancelled("stopped after page 7"))

    assert FinishedJob.objects.get(pk=job.id).reason == "stopped after page 7"


def test_of_jobs_that_end_together_only_those_that_were_asked_are_cancelled() -> None:
    for n in range(6):
        enqueue(n)
    jobs = claim(6)
    queue.cancel([job.id for job in jobs[::2]], "not needed", ALIAS)
    outcomes: list[Outcome] = [
        Failed(error()),
        Failed(error()),
        Succeeded(),
        Succeeded(),
        Retry(error(), 60),
        Retry(error(), 60),
    ]

    queue.ack(ALIAS, [ended(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True)])

    found = [state_of(job.id) for job in jobs]
    assert found == ["cancelled", "failed", "succeeded", "succeeded", "cancelled", "scheduled"]


def test_each_database_lets_the_same_ends_heed_a_request() -> None:
    """The rule is `Finish.heeds_request`. PostgreSQL has it in SQL."""
    says = [(state, reason) for state in FinishedState.values for reason in ("", "its own")]
    for said in says:
        enqueue(*said)
    jobs = claim()
    queue.cancel(ids(jobs), "not needed", ALIAS)
    now = database_now(ALIAS)
    ends = [Finish(job, state, 1, "", reason, now, now) for job, (state, reason) in zip(jobs, says, strict=True)]

    with transaction.atomic():
        why = dialect_of(connection).acks.finish(connection, ends)

    asked = {end.job.hold: "not needed" if end.heeds_request else None for end in ends}
    assert why == asked
    assert FinishedJob.objects.filter(reason="not needed").count() == sum(map(bool, asked.values()))


@pytest.mark.parametrize("by", ["release", "release unheld", "rescue"])
def test_a_job_that_was_asked_to_stop_does_not_go_to_another_worker(by: str) -> None:
    enqueue(1)
    enqueue(2)
    asked, other = claim(2)
    queue.cancel([asked.id], "not needed", ALIAS)

    if by == "rescue":
        strike_off(SOMEBODY)
        assert queue.rescue(ALIAS, 10) == 2
    elif by == "release":
        assert queue.release(ALIAS, [asked, other]) == 2
    else:
        assert queue.release_unheld(ALIAS, SOMEBODY, []) == 2

    row = FinishedJob.objects.get(pk=asked.id)
    assert (row.state, row.reason) == ("cancelled", "not needed")
    assert ids(claim()) == [other.id]


def test_a_job_that_was_asked_to_stop_is_nobodys_only_when_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    enqueue()
    job = claim_one()
    queue.cancel([job.id], "not needed", ALIAS)

    def fall(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(queue.asked, "end", fall)
    with pytest.raises(ConnectionResetError):
        queue.release(ALIAS, [job])

    assert state_of(job.id) == "running"
    assert ack(job, Succeeded())


def test_a_worker_that_lost_a_job_does_not_end_it_for_who_runs_it_and_was_asked_to_stop() -> None:
    enqueue()
    lost = claim_one()
    strike_off(SOMEBODY)
    queue.rescue(ALIAS, 10)
    job = claim_one()
    queue.cancel([job.id], "not needed", ALIAS)

    assert not ack(lost, Retry(error(), 60))
    assert not ack(lost, Failed(error()))
    assert queue.release(ALIAS, [lost]) == 0

    assert state_of(job.id) == "running"
    assert ack(job, Succeeded())


def test_a_request_to_stop_joins_the_callers_transaction() -> None:
    enqueue()
    job = claim_one()

    with rolled_back():
        assert queue.cancel([job.id], "not needed", ALIAS).asked == [job.id]

    assert ack(job, Retry(error(), 60))
    assert state_of(job.id) == "scheduled"


def test_what_a_deleted_schedule_or_a_later_call_replaces_is_not_asked_to_stop_once_it_runs() -> None:
    enqueue()
    job = claim_one()

    assert queue.cancel_unstarted([job.id], "replaced", ALIAS) == []

    assert Job.objects.get().cancel_reason is None
