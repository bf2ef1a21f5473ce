"""What is recorded of a run: history for what is over, and what a job carries into its next attempt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from tests.conformance.worker.queue.jobs import (
    ALIAS,
    ack,
    another_session,
    claim,
    claim_one,
    ended,
    enqueue,
    error,
    new,
    rolled_back,
    rows,
    state_of,
)
from tests.schedules.recurrence.moments import at
from worker import queue, tasks
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobRecord
from worker.outcomes import Cancelled, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.queue import Hook, recording
from worker.running.execution import run
from worker.values import Ended

pytestmark = pytest.mark.usefixtures("database")

KEPT = [field.attname for field in JobRecord._meta.get_fields() if field.concrete]


def finished(id: int) -> FinishedJob:
    return FinishedJob.objects.get(pk=id)


# Over


def test_a_job_keeps_its_id_and_all_it_was_when_it_moves() -> None:
    id = enqueue(
        *(7, "eu"),
        task="shop.report",
        queue="mail",
        priority=-7,
        max_attempts=3,
        verbose_name="Отчёт 🔔",
        creator="shop.User:7",
        schedule_id=11,
        scheduled_for=at("10:05:30.000001"),
        start_by=at("2900-01-01 00:00"),
        retry_of=13,
        run_at=at("10:05"),
    )
    live = Job.objects.values(*KEPT).get(pk=id)

    assert ack(claim_one(), Succeeded("ignored"))

    assert FinishedJob.objects.values(*KEPT).get(pk=id) == {**live, "attempts": 1}
    assert not Job.objects.filter(pk=id).exists()


def test_a_run_is_recorded_with_its_times_and_its_worker() -> None:
    enqueue()
    run = ended(claim_one(), Succeeded())

    queue.ack(ALIAS, [run], "host:1")

    row = finished(run.job.id)
    assert (row.state, row.reason, row.worker, row.attempts) == ("succeeded", "", "host:1", 1)
    assert (row.started_at, row.finished_at) == (run.started_at, run.finished_at)


@pytest.mark.parametrize(
    ("outcome", "state", "reason", "attempts"),
    [
        (Succeeded(), "succeeded", "", 1),
        (Cancelled("the user is gone"), "cancelled", "the user is gone", 1),
        (Cancelled(""), "cancelled", "", 1),
        (Missed("Not started by noon."), "missed", "Not started by noon.", 0),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str | int) else "",
)
def test_an_end_is_recorded_with_its_reason(outcome: Outcome, state: str, reason: str, attempts: int) -> None:
    id = enqueue()

    ack(claim_one(), outcome)

    row = finished(id)
    assert (row.state, row.reason, row.attempts, row.errors) == (state, reason, attempts, "")
    assert (row.started_at is None) == (state == "missed")


def test_a_failure_is_recorded_with_its_error() -> None:
    id = enqueue()

    ack(claim_one(), Failed(error("no such user")))

    row = finished(id)
    assert (row.state, row.reason, row.attempts) == ("failed", "ValueError: no such user", 1)
    (what,) = row.error_list
    assert (what["attempt"], what["kind"], what["message"]) == (1, "ValueError", "no such user")
    assert "Traceback" in what["traceback"]
    assert datetime.fromisoformat(what["at"]).utcoffset() == timedelta(0)


def test_hundreds_of_outcomes_are_recorded_at_once() -> None:
    numbers = queue.enqueue_many([new(n) for n in range(500)], ALIAS)
    outcomes: list[Outcome] = [Succeeded(), Failed(error()), Cancelled("why"), Missed("late"), Snoozed(60)]

    runs = [ended(job, outcomes[number % 5]) for number, job in enumerate(claim())]
    recorded = queue.ack(ALIAS, runs, "host:1")

    assert recorded == runs
    assert [state_of(id) for id in numbers[:5]] == ["succeeded", "failed", "cancelled", "missed", "scheduled"]
    assert FinishedJob.objects.count() == 400


# Once more


def test_a_retry_waits_for_its_time_and_carries_the_error() -> None:
    id = enqueue()

    ack(claim_one(), Retry(error("first"), delay=90))

    row = Job.objects.get(pk=id)
    assert (row.state, row.attempts, row.claim, row.worker_id, row.claimed_at) == ("scheduled", 1, None, None, None)
    assert (row.run_at - database_now(ALIAS)).total_seconds() == pytest.approx(90, abs=5)
    assert [each["message"] for each in row.error_list] == ["first"]


def test_errors_of_all_attempts_are_kept_in_order_to_the_end() -> None:
    id = enqueue()
    for attempt in (1, 2, 3):
        ack(claim_one(), Retry(error(f"no {attempt}", attempt), delay=0))

    assert Job.objects.get(pk=id).attempts == 3
    ack(claim_one(), Failed(error("no 4", 4)))

    assert finished(id).attempts == 4
    assert [(each["attempt"], each["message"]) for each in finished(id).error_list] == [
        *((1, "no 1"), (2, "no 2"), (3, "no 3"), (4, "no 4")),
    ]


def test_a_success_keeps_the_errors_before_it() -> None:
    id = enqueue()
    ack(claim_one(), Retry(error("first"), delay=0))

    ack(claim_one(), Succeeded())

    assert (finished(id).state, finished(id).attempts) == ("succeeded", 2)
    assert [each["message"] for each in finished(id).error_list] == ["first"]


def test_a_claim_hands_over_what_earlier_attempts_left() -> None:
    enqueue(max_attempts=7)
    ack(claim_one(), Retry(error("first"), delay=0))

    job = claim_one()

    assert (job.attempts, job.max_attempts) == (1, 7)
    assert job.errors.count("\n") == 1


@pytest.mark.parametrize(("delay", "state"), [(90.0, "scheduled"), (0.0, "ready")])
def test_a_snooze_is_no_attempt_and_no_error(delay: float, state: str) -> None:
    id = enqueue()
    ack(claim_one(), Retry(error("first"), delay=0))

    ack(claim_one(), Snoozed(delay))

    row = Job.objects.get(pk=id)
    assert (row.state, row.attempts, len(row.error_list)) == (state, 1, 1)
    assert (row.run_at - database_now(ALIAS)).total_seconds() == pytest.approx(delay, abs=5)


@pytest.mark.parametrize("delay", [0.25, 3660 * 86_400.0])
def test_the_longest_and_the_shortest_delays_are_kept(delay: float) -> None:
    id = enqueue()

    assert ack(claim_one(), Snoozed(delay))

    seconds = (Job.objects.get(pk=id).run_at - database_now(ALIAS)).total_seconds()
    assert seconds == pytest.approx(delay, abs=5)


# Whatever it holds


HOSTILE = {
    "NUL": "a\x00b",
    "half a pair": "\ud83d",
    "emoji": "🔔" * 100,
    "lines": "a\r\nb\u2028c\x85d\x1ee",
    "long": "x" * 2**20,
    "SQL": "'; DROP TABLE worker_job; -- %s %(x)s {0}",
    "backslashes": "\\x00 \\ud800 \\",
}


@pytest.mark.usefixtures("own_declarations")
@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("error_type", [RuntimeError, SystemExit])
def test_no_message_blocks_the_recording(kind: str, error_type: type[BaseException]) -> None:
    def task() -> None:
        raise error_type(HOSTILE[kind])

    tasks.register(tasks.Task(task, "hostile"))
    first, second = enqueue(task="hostile", max_attempts=1), enqueue(task="hostile", max_attempts=2)

    runs = [ended(job, run(job, lambda: database_now(ALIAS))) for job in claim()]

    assert queue.ack(ALIAS, runs) == runs
    assert (state_of(first), state_of(second)) == ("failed", "scheduled")
    assert finished(first).error_list[0]["kind"] == error_type.__name__
    assert finished(first).reason.startswith(f"{error_type.__name__}: ")


# In one transaction


def test_recording_is_one_transaction() -> None:
    for n in range(4):
        enqueue(n)
    before = rows()
    outcomes: list[Outcome] = [Succeeded(), Failed(error()), Retry(error(), 60), Snoozed(0)]

    with rolled_back():
        queue.ack(ALIAS, [ended(job, outcome) for job, outcome in zip(claim(), outcomes, strict=True)])

    assert rows() == before


@pytest.mark.parametrize("kind", [Missed, Failed, Succeeded, Retry])
def test_a_hook_writes_in_the_transaction_that_records_its_kind(
    kind: type[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(ended: Sequence[Ended], using: str) -> None:
        queue.enqueue(new("said in passing"), using)
        raise RuntimeError("what else is to be written could not be")

    given: list[Outcome] = [Missed("late"), Failed(error()), Succeeded(), Retry(error(), 60)]
    (outcome,) = (each for each in given if type(each) is kind)
    id = enqueue()
    job = claim_one()
    with monkeypatch.context() as hooked:
        hooked.setattr(recording, "in_the_recording_transaction", [Hook(kind, fail)])
        with pytest.raises(RuntimeError, match="what else"):
            ack(job, outcome)

    assert (state_of(id), Job.objects.count()) == ("running", 1)
    assert ack(job, outcome)


def test_a_hook_gets_what_was_recorded_of_its_kind_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[Ended] = []
    monkeypatch.setattr(
        recording, "in_the_recording_transaction", [Hook(Missed, lambda ended, using: got.extend(ended))]
    )
    for n in range(3):
        enqueue(n)
    one, lost, other = claim()
    queue.release(ALIAS, [lost])

    queue.ack(ALIAS, [ended(one, Succeeded()), ended(lost, Missed("late")), ended(other, Missed("late"))])

    assert [each.job for each in got] == [other]


def test_another_session_sees_what_was_recorded() -> None:
    id = enqueue()
    ack(claim_one(), Succeeded())

    with another_session() as other:
        assert FinishedJob.objects.using(other).get(pk=id).state == "succeeded"
        assert not Job.objects.using(other).filter(pk=id).exists()
