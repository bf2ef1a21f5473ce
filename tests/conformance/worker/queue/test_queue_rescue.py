"""Rescue: what dead workers held goes to others, and what kills its workers is given up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from tests.conformance.worker.process.workers import heard
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    ack,
    another_session,
    claim,
    claim_one,
    claimed_by_the_dead,
    ended,
    enqueue,
    error,
    ids,
    in_history,
    living_worker,
    rows,
    rows_are_locked,
    state_of,
    strike_off,
)
from worker import queue, roster, signals
from worker.clock import database_now
from worker.models import FinishedJob, Job, WorkerProcess
from worker.outcomes import Retry, Succeeded

on_a_server = pytest.mark.only_on("postgresql", "mysql")  # SQLite's integers have no end here

pytestmark = pytest.mark.usefixtures("database")


def rescue() -> int:
    return queue.rescue(ALIAS, 1000)


def interrupt(times: int) -> None:
    """So many workers die one after another, each holding all that is ready."""
    for _ in range(times):
        claimed_by_the_dead()
        rescue()


def test_jobs_of_a_worker_that_was_struck_off_the_roster_go_to_others() -> None:
    numbers = [enqueue(), enqueue()]
    claimed_by_the_dead()

    assert rescue() == 2
    assert ids(claim(worker_id=living_worker())) == numbers


@rows_are_locked
def test_a_worker_that_stands_still_while_it_records_an_end_holds_nobody_up() -> None:
    recorded, held = enqueue(), enqueue()
    jobs = claimed_by_the_dead()
    with another_session() as standing_still:
        with transaction.atomic(using=standing_still):
            queue.ack(standing_still, [ended(jobs[0], Succeeded())])

            assert rescue() == 1
            transaction.set_rollback(True, using=standing_still)
        assert (state_of(recorded), state_of(held)) == ("running", "ready")

    assert rescue() == 1
    assert state_of(recorded) == "ready"


def test_who_is_on_the_roster_keeps_its_jobs_whatever_its_last_sign_of_life_says() -> None:
    enqueue()
    claim(worker_id=living_worker())
    WorkerProcess.objects.update(heartbeat_at=database_now(ALIAS) - timedelta(days=1))
    before = rows()

    assert rescue() == 0
    assert rows() == before


def test_what_many_dead_workers_held_is_rescued_a_portion_at_a_time() -> None:
    numbers = [enqueue() for _ in range(5)]
    claimed_by_the_dead()

    assert [queue.rescue(ALIAS, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert ids(claim()) == numbers


def test_an_interruption_is_counted_and_is_no_attempt() -> None:
    id = enqueue()
    ack(claim_one(), Retry(error(), 0))

    interrupt(1)

    row = Job.objects.get(pk=id)
    assert (row.state, row.interruptions, row.attempts, len(row.error_list)) == ("ready", 1, 1, 1)
    assert (row.claim, row.worker_id, row.claimed_at) == (None, None, None)


def test_a_job_that_keeps_killing_its_workers_is_given_up_with_the_reason() -> None:
    id = enqueue()

    interrupt(queue.MOST_INTERRUPTIONS - 1)
    assert state_of(id) == "ready"
    interrupt(1)

    row = FinishedJob.objects.get(pk=id)
    assert (row.state, row.interruptions, row.attempts) == ("failed", 3, 0)
    assert row.reason == "3 workers died while they held it, so it is not tried again."
    assert row.finished_at is not None
    assert claim() == []


def test_a_job_that_survives_runs_to_its_end_with_its_interruptions_kept() -> None:
    id = enqueue()
    interrupt(2)

    ack(claim_one(), Succeeded())

    row = FinishedJob.objects.get(pk=id)
    assert (row.state, row.interruptions) == ("succeeded", 2)


def test_only_the_deadly_job_is_given_up() -> None:
    deadly = enqueue()
    interrupt(2)
    others = [enqueue() for _ in range(3)]

    interrupt(1)

    assert state_of(deadly) == "failed"
    assert [state_of(id) for id in others] == ["ready"] * 3


def test_who_was_struck_off_learns_of_it_by_its_next_sign_of_life() -> None:
    dead, alive = living_worker(), living_worker()

    strike_off(dead)

    assert roster.beat(ALIAS, dead) is False
    assert roster.beat(ALIAS, alive) is True


def test_what_a_worker_that_was_taken_for_dead_says_is_lost() -> None:
    enqueue()
    (job,) = claimed_by_the_dead()
    rescue()

    assert ack(job, Succeeded()) is False
    assert state_of(job.id) == "ready"


def test_a_second_rescue_finds_nothing() -> None:
    enqueue()
    claimed_by_the_dead()
    rescue()
    before = rows()

    assert rescue() == 0
    assert rows() == before


def test_a_worker_that_signs_in_during_a_rescue_keeps_its_place_and_its_jobs() -> None:
    """Between any two of its statements."""
    enqueue()
    claimed_by_the_dead()
    newborn: list[int | None] = []

    def sign_in_and_claim(execute: Callable[..., Any], *statement: Any) -> Any:
        if not newborn or newborn[-1] is not None:
            newborn.append(None)  # these are statements, too
            worker = living_worker()
            enqueue()
            claim(worker_id=worker)
            newborn[-1] = worker
        return execute(*statement)

    with connection.execute_wrapper(sign_in_and_claim):
        assert rescue() == 1

    alive = set(WorkerProcess.objects.values_list("pk", flat=True))
    assert len(newborn) > 4
    assert alive == set(newborn)
    held = Job.objects.filter(state="running")
    assert set(held.values_list("worker_id", flat=True)) == alive
    assert sum(held.values_list("interruptions", flat=True)) <= 1  # one may have got the rescued one


def test_a_rescue_tells_how_many_it_took_and_how_many_it_gave_up() -> None:
    told: list[tuple[int, int]] = []

    def listen(count: int, given_up: int, **_: Any) -> None:
        told.append((count, given_up))

    enqueue()
    signals.jobs_rescued.connect(listen)
    try:
        interrupt(3)
    finally:
        signals.jobs_rescued.disconnect(listen)

    assert told == [(1, 0), (1, 0), (1, 1)]


def test_a_deadly_job_whose_id_stands_in_history_is_given_up_under_a_new_one_and_holds_up_no_other() -> None:
    numbers = [enqueue(n) for n in range(3)]
    interrupt(2)
    in_history(numbers[1])
    young = enqueue(3)
    claimed_by_the_dead()

    assert rescue() == 4

    assert state_of(young) == "ready"
    assert [state_of(numbers[0]), state_of(numbers[2])] == ["failed", "failed"]
    (anew,) = FinishedJob.objects.exclude(pk__in=numbers)
    assert (anew.args, anew.state) == ([1], "failed")
    assert "3 workers died" in anew.reason
    assert f"It was job {numbers[1]}" in anew.reason


@on_a_server
def test_a_job_that_cannot_be_rescued_is_told_and_holds_up_no_other() -> None:
    numbers = [enqueue() for _ in range(3)]
    claimed_by_the_dead()
    greatest = connection.ops.integer_field_range("PositiveIntegerField")[1]
    Job.objects.filter(pk=numbers[1]).update(interruptions=greatest)

    with heard(signals.rescue_refused) as refused:
        assert rescue() == 2

    assert [state_of(id) for id in numbers] == ["ready", "running", "ready"]
    assert [each["id"] for each in refused] == [numbers[1]]


def test_a_job_whose_id_stands_in_history_is_cancelled_under_a_new_one() -> None:
    numbers = [enqueue(n) for n in range(2)]
    in_history(numbers[0])

    assert len(queue.cancel(numbers, "enough", ALIAS)) == 2

    assert not Job.objects.exists()
    assert FinishedJob.objects.filter(state="cancelled", reason__startswith="enough").count() == 2


def test_a_sign_of_life_is_dated_by_the_database() -> None:
    worker = living_worker()
    WorkerProcess.objects.update(heartbeat_at=database_now(ALIAS) - timedelta(minutes=1))

    roster.beat(ALIAS, worker)

    seen = WorkerProcess.objects.get(pk=worker).heartbeat_at
    assert abs((database_now(ALIAS) - seen).total_seconds()) < 5
