"""Outcomes that a database refuses: each is kept until it is recorded, and none holds up another."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.db import OperationalError, connections
from pytest_django import Settings

from schedules.testing import ManualClock
from tests.conformance.worker.process.workers import Session, cut, heard
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    another_session,
    claim,
    ended,
    enqueue,
    error,
    in_history,
    new,
    state_of,
)
from tests.refusals import raising, renamed
from tests.schedules.recurrence.moments import at
from worker import queue, signals
from worker.clock import Monotonic
from worker.messages.errors import LONGEST_TOLD
from worker.models import FinishedJob, Job
from worker.outcomes import Cancelled, Error, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.process import unrecorded as unrecorded_of_workers
from worker.process.unrecorded import Unrecorded
from worker.sessions.connection import private_connection

pytestmark = pytest.mark.usefixtures("database")

NEVER = 1e18
"""Seconds: no database has a date so late."""


FAULTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "its table is away": lambda: renamed("worker_finishedjob"),
    "its trigger raises": lambda: raising("worker_finishedjob"),
}
"""Why history takes nothing for a while."""
each_fault = pytest.mark.parametrize("history_takes_nothing", FAULTS.values(), ids=list(FAULTS))
History = Callable[[], AbstractContextManager[None]]


def after(*outcomes: Outcome, clock: Monotonic = time) -> tuple[Unrecorded, list[int]]:
    """So many jobs ran, and the ids of them."""
    unrecorded = Unrecorded("host:1", clock)
    return unrecorded, end(unrecorded, *outcomes)


def end(unrecorded: Unrecorded, *outcomes: Outcome) -> list[int]:
    """So many more."""
    ids = [enqueue(n) for n in range(len(outcomes))]
    unrecorded.add([ended(job, outcome) for job, outcome in zip(claim(), outcomes, strict=True)])
    return ids


def test_an_outcome_that_is_refused_becomes_a_failure_that_says_so_and_holds_up_no_other() -> None:
    unrecorded, ids = after(Succeeded(), Retry(error(), NEVER), Failed(error()), Retry(error(), 60))

    assert unrecorded.record(ALIAS) == 4

    assert [state_of(id) for id in ids] == ["succeeded", "failed", "failed", "scheduled"]
    refused = FinishedJob.objects.get(pk=ids[1])
    assert "refused to record its outcome" in refused.reason
    assert refused.attempts == len(refused.error_list) == 1
    assert unrecorded.waiting == []


def test_a_job_whose_id_stands_in_history_goes_there_under_a_new_one_and_says_so() -> None:
    unrecorded, ids = after(Succeeded(), Succeeded(), Failed(error("no luck")), Succeeded())
    in_history(ids[1])
    in_history(ids[2])

    assert unrecorded.record(ALIAS) == 4

    assert unrecorded.waiting == []
    assert [state_of(id) for id in (ids[0], ids[3])] == ["succeeded", "succeeded"]
    assert not Job.objects.exists()
    anew = FinishedJob.objects.filter(pk__gt=ids[-1]).order_by("pk")
    assert [(job.args, job.state) for job in anew] == [([1], "succeeded"), ([2], "failed")]
    assert anew[0].reason.startswith(f"It was job {ids[1]}. History already has a job with that id")
    assert anew[1].reason.startswith(f"ValueError: no luck It was job {ids[2]}. History")


@pytest.mark.own_session
def test_what_a_lost_database_did_not_take_waits_for_the_next_session() -> None:
    unrecorded, ids = after(Succeeded(), Retry(error(), NEVER), Succeeded())

    with private_connection(ALIAS, "worker") as other:
        cut(Session.of(connections[other]))
        with pytest.raises(OperationalError):
            unrecorded.record(other)
        assert len(unrecorded.waiting) == 3
    assert unrecorded.record(ALIAS) == 3

    assert [state_of(id) for id in ids] == ["succeeded", "failed", "succeeded"]


def test_many_errors_of_the_greatest_length_are_recorded() -> None:
    longest = "\U0001f514" * LONGEST_TOLD
    unrecorded, ids = after(*(Failed(error(longest)) for _ in range(40)))

    while unrecorded.waiting:
        with another_session() as using:
            unrecorded.record(using)

    assert FinishedJob.objects.filter(pk__in=ids, state="failed").count() == 40
    assert FinishedJob.objects.get(pk=ids[0]).error_list[0]["message"] == longest


def test_of_many_long_failures_none_is_told_as_lost_where_the_database_refuses_one() -> None:
    """They take more than one statement."""
    long = Error(1, "ValueError", "no", "x" * 9000, at("10:00"))
    unrecorded = Unrecorded("host:1", time)
    queue.enqueue_many([new(n) for n in range(500)], ALIAS)
    jobs = claim()
    unrecorded.add([ended(job, Failed(long)) for job in jobs])

    with (
        another_session() as using,
        raising("worker_finishedjob", only=f"NEW.id = {jobs[-1].id}"),
        heard(signals.job_lost) as lost,
    ):
        assert unrecorded.record(using) == 499

    assert lost == []
    assert set(FinishedJob.objects.values_list("pk", flat=True)) == {job.id for job in jobs[:-1]}


# What is refused for a while


@each_fault
def test_what_history_refuses_for_a_while_is_kept_and_recorded_when_it_takes_it_again(
    history_takes_nothing: History,
) -> None:
    outcomes = (Succeeded(), Failed(error("no luck")), Cancelled("no need"), Succeeded())
    unrecorded, ids = after(*outcomes)

    with history_takes_nothing():
        assert unrecorded.record(ALIAS) == 0
        assert unrecorded.record(ALIAS, at_once=True) == 0
        assert {state_of_living(id) for id in ids} == {"running"}
        assert [job.id for job in unrecorded.jobs] != []
    assert unrecorded.record(ALIAS, at_once=True) == 4

    assert [state_of(id) for id in ids] == ["succeeded", "failed", "cancelled", "succeeded"]
    assert set(FinishedJob.objects.values_list("attempts", flat=True)) == {1}
    assert [len(FinishedJob.objects.get(pk=id).error_list) for id in ids] == [0, 1, 0, 0]
    assert (unrecorded.jobs, unrecorded.trouble) == ([], "")


@each_fault
def test_what_needs_no_history_is_recorded_meanwhile(history_takes_nothing: History) -> None:
    unrecorded, ids = after(Succeeded(), Retry(error(), 60), Snoozed(60))

    with history_takes_nothing():
        assert unrecorded.record(ALIAS) == 2

    assert [state_of(id) for id in ids] == ["running", "scheduled", "scheduled"]


def test_a_job_that_is_to_run_again_is_kept_though_history_would_take_a_failure() -> None:
    unrecorded, ids = after(Snoozed(60), Retry(error(), 60))

    with raising("worker_job", on="UPDATE"):
        assert unrecorded.record(ALIAS) == 0
    assert unrecorded.record(ALIAS, at_once=True) == 2

    assert [state_of(id) for id in ids] == ["scheduled"] * 2


def test_a_run_that_was_missed_is_kept_until_the_ledger_takes_it_too() -> None:
    unrecorded = Unrecorded("host:1", time)
    id = enqueue(schedule_id=7)
    unrecorded.add([ended(job, Missed("late")) for job in claim()])

    with renamed("schedules_occurrence"):
        assert unrecorded.record(ALIAS) == 0
    assert unrecorded.record(ALIAS, at_once=True) == 1

    assert state_of(id) == "missed"


def test_what_is_refused_is_tried_again_at_growing_pauses_and_told_each_time() -> None:
    clock = ManualClock(at("10:00"))
    unrecorded, _ = after(Succeeded(), Succeeded(), clock=clock)

    with renamed("worker_finishedjob"), heard(signals.outcomes_refused) as refused:
        for _ in range(1000):
            unrecorded.record(ALIAS)
            clock.advance(0.02)

    assert [each["retry_in"] for each in refused] == [0.02 * 2**n for n in range(8)] + [5.0] * 3
    assert {(each["name"], each["count"]) for each in refused} == {("host:1", 2)}
    assert "worker_finishedjob" in unrecorded.trouble


def test_the_statements_of_a_try_do_not_grow_with_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    real_ack = queue.ack
    monkeypatch.setattr(queue, "ack", lambda *what: tries.append(len(what[1])) or real_ack(*what))  # type: ignore[func-returns-value]
    unrecorded, _ = after(*[Succeeded()] * 200)

    with renamed("worker_finishedjob"):
        unrecorded.record(ALIAS)

    assert tries == [200, 1, 1, 1]


def test_one_that_is_refused_whatever_became_of_it_is_kept_and_holds_up_no_other() -> None:
    clock = ManualClock(at("10:00"))
    unrecorded, ids = after(*[Succeeded()] * 5, clock=clock)

    with raising("worker_finishedjob", only=f"NEW.id IN ({ids[0]}, {ids[1]})"):
        unrecorded.record(ALIAS)
        unrecorded.record(ALIAS)
        assert [state_of(id) for id in ids] == ["running", "running", *["succeeded"] * 3]
        more = end(unrecorded, Succeeded(), Succeeded())
        assert unrecorded.record(ALIAS) == 2
        assert [state_of(id) for id in more] == ["succeeded"] * 2
        clock.advance(60)
        assert unrecorded.record(ALIAS) == 0
        more = end(unrecorded, Succeeded())
        assert unrecorded.record(ALIAS) == 1
    clock.advance(60)
    assert unrecorded.record(ALIAS) == 2

    assert set(FinishedJob.objects.values_list("state", flat=True)) == {"succeeded"}


def test_many_that_are_refused_whatever_became_of_them_hold_up_no_other() -> None:
    """As the first that are tried are refused, it looks as if the database took nothing."""
    unrecorded, ids = after(*[Succeeded()] * 20)

    with raising("worker_finishedjob", only=f"NEW.id <= {ids[9]}"):
        for _ in range(4):
            unrecorded.record(ALIAS, at_once=True)

    assert [state_of(id) for id in ids] == [*["running"] * 10, *["succeeded"] * 10]


def test_what_a_trigger_refuses_for_what_it_says_becomes_a_failure() -> None:
    unrecorded, ids = after(Succeeded(), Cancelled("no need"), Succeeded())

    with raising("worker_finishedjob", only="NEW.state = 'cancelled'"):
        assert unrecorded.record(ALIAS) == 3

    assert [state_of(id) for id in ids] == ["succeeded", "failed", "succeeded"]
    assert "not today" in FinishedJob.objects.get(pk=ids[1]).reason


# The note


@pytest.mark.parametrize(
    "outcome",
    [Succeeded(), Failed(Error(1, "KeyError", "\x00 \ud800 🔔", "", at("10:00"))), Cancelled("no"), Missed("late")],
    ids=["succeeded", "failed", "cancelled", "missed"],
)
@each_fault
def test_whoever_claims_a_job_that_has_ended_learns_what_came_of_it(
    history_takes_nothing: History, outcome: Outcome
) -> None:
    unrecorded, _ = after(outcome)
    with history_takes_nothing():
        unrecorded.record(ALIAS)
    told = Job.objects.get().error_list
    queue.release(ALIAS, unrecorded.jobs)

    (again,) = claim()
    note = queue.noted(again)

    assert note is not None
    assert (note.outcome, note.job.errors) == (outcome, "")
    assert [(each["kind"], each["attempt"]) for each in told] == [("NotRecorded", 1)]
    assert "the database refuses to record that" in told[0]["message"]


def test_a_job_that_is_to_run_again_has_no_note_and_no_error_passes_for_one() -> None:
    unrecorded, _ = after(Retry(error('NotRecorded "outcome": {"state": "succeeded"}'), 0))
    unrecorded.record(ALIAS)

    (again,) = claim()

    assert again.errors
    assert queue.noted(again) is None


def test_so_much_may_be_refused_and_no_more_is_claimed(settings: Settings) -> None:
    settings.SCHEDULER = {"BATCH_SIZE": 3}
    unrecorded, _ = after(Succeeded(), Succeeded())
    with renamed("worker_finishedjob"):
        unrecorded.record(ALIAS)
        assert not unrecorded.is_full
        end(unrecorded, Succeeded())
        assert unrecorded.is_full
    unrecorded.record(ALIAS, at_once=True)

    assert not unrecorded.is_full


def test_results_that_are_refused_count_by_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrecorded_of_workers, "MOST_CHARACTERS", 1000)
    unrecorded, _ = after(Succeeded("x" * 300, '"' + "x" * 300 + '"'))
    with renamed("worker_finishedjob"):
        unrecorded.record(ALIAS)
        assert not unrecorded.is_full
        end(unrecorded, Succeeded("x" * 700, '"' + "x" * 700 + '"'))
        assert unrecorded.is_full
    unrecorded.record(ALIAS, at_once=True)

    assert not unrecorded.is_full


def state_of_living(id: int) -> str:
    """While history cannot be asked."""
    return Job.objects.get(pk=id).state
