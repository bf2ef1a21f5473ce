"""Promotion: what is due becomes ready, and nothing else does; who waits in line is let in one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction

from schedules.testing import ManualClock
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    ack,
    another_session,
    claim,
    claim_one,
    enqueue,
    error,
    ids,
    new,
    rows,
    rows_are_locked,
    state_of,
)
from tests.schedules.recurrence.moments import at
from worker import queue
from worker.chores import LATEST_BEGIN, Chores
from worker.models import Job, JobState
from worker.outcomes import Cancelled, Failed, Missed, Outcome, Retry, Succeeded

pytestmark = pytest.mark.usefixtures("database")


def delayed_until(time: str, **given: object) -> int:
    return enqueue(state=JobState.SCHEDULED, run_at=at(time), **given)


def in_line(time: str = "10:00", lane: str = "a") -> int:
    return enqueue(state=JobState.WAITING, lane=lane, run_at=at(time))


# Their time has come


def test_exactly_what_is_due_becomes_ready() -> None:
    past, due = delayed_until("09:00"), delayed_until("10:00")
    later, running = delayed_until("10:00:00.001"), enqueue()
    claim()

    assert queue.promote(ALIAS, at("10:00")) == 2
    assert [state_of(id) for id in (past, due, later, running)] == ["ready", "ready", "scheduled", "running"]


def test_a_second_promotion_changes_nothing() -> None:
    delayed_until("10:00")
    queue.promote(ALIAS, at("10:00"))
    before = rows()

    assert queue.promote(ALIAS, at("10:00")) == 0
    assert rows() == before


def test_thousands_that_are_due_at_once_are_all_promoted() -> None:
    due = [new(n, state=JobState.SCHEDULED, run_at=at("10:00")) for n in range(2500)]
    queue.enqueue_many(due, ALIAS)
    later = delayed_until("10:01")

    assert queue.promote(ALIAS, at("10:00"), limit=5000) == 2500
    assert Job.objects.filter(state=JobState.READY).count() == 2500
    assert state_of(later) == "scheduled"


def test_processes_that_promote_at_once_count_each_job_once() -> None:
    queue.enqueue_many([new(n, state=JobState.SCHEDULED, run_at=at("10:00")) for n in range(300)], ALIAS)
    promoted: list[int] = []
    start = threading.Barrier(3)

    def promote() -> None:
        start.wait(timeout=10)
        promoted.append(queue.promote(ALIAS, at("10:00")))
        connections.close_all()

    threads = [threading.Thread(target=promote) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(promoted) == 3
    assert sum(promoted) == 300


def test_a_flood_is_promoted_in_turns_so_that_a_leader_is_never_deaf_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A portion takes most of the time after which no other is begun, and nothing else takes any."""
    monkeypatch.setattr(queue, "MOST_PROMOTED", 40)
    queue.enqueue_many([new(n, state=JobState.SCHEDULED, run_at=at("10:00")) for n in range(300)], ALIAS)
    clock = ManualClock(at("10:01"))
    chores = Chores(clock)
    ready: list[int] = []

    def take_time(execute: Callable[..., Any], sql: str, *others: Any) -> Any:
        if sql.startswith(("UPDATE", "WITH due")):
            clock.advance(0.6 * LATEST_BEGIN)
        return execute(sql, *others)

    with connection.execute_wrapper(take_time):
        while chores.do(ALIAS, at("10:01")) is not None:
            ready.append(Job.objects.filter(state=JobState.READY).count())

    assert ready == [80, 160, 240]
    assert not Job.objects.filter(state=JobState.SCHEDULED).exists()


@rows_are_locked
def test_who_promotes_waits_for_nobody_who_does_the_same() -> None:
    held = delayed_until("10:00")
    with another_session() as other, transaction.atomic():
        assert queue.promote(ALIAS, at("10:00")) == 1
        with transaction.atomic(using=other):
            free, _ = queue.enqueue(new(state=JobState.SCHEDULED, run_at=at("10:00")), other)
        assert queue.promote(other, at("10:00")) == 1
    assert [state_of(id) for id in (held, free)] == ["ready", "ready"]


def test_a_delay_counts_from_the_enqueueing_by_the_databases_clock() -> None:
    id = enqueue(state=JobState.SCHEDULED, delay=90.5)

    row = Job.objects.get(pk=id)
    assert row.run_at - row.enqueued_at == pytest.approx(timedelta(seconds=90.5), abs=timedelta(milliseconds=5))


def test_a_promoted_job_is_claimed_in_the_order_of_enqueueing() -> None:
    first, second, third = delayed_until("10:00"), enqueue(), delayed_until("09:00")
    queue.promote(ALIAS, at("10:00"))

    assert ids(claim()) == [first, second, third]


def test_the_next_promotion_is_that_of_the_earliest_delayed_job() -> None:
    assert queue.next_run_at(ALIAS) is None
    enqueue()
    delayed_until("10:07")
    delayed_until("10:05")
    in_line("10:01")

    assert queue.next_run_at(ALIAS) == at("10:05")


def test_a_retry_becomes_ready_when_its_backoff_is_over() -> None:
    enqueue()
    job = claim_one()
    ack(job, Retry(error(), delay=90))
    due = Job.objects.get(pk=job.id).run_at

    assert queue.promote(ALIAS, due - timedelta(milliseconds=5)) == 0
    assert queue.promote(ALIAS, due + timedelta(milliseconds=5)) == 1


# Their turn has come


ENDS: list[Outcome] = [Succeeded(), Cancelled("why"), Missed("late")]


@pytest.mark.parametrize("end", [*ENDS, "failure"], ids=lambda end: getattr(type(end), "__name__", ""))
def test_who_waits_is_let_in_when_the_one_before_is_over_however_it_ended(end: Outcome | str) -> None:
    enqueue(lane="a")
    waiting = in_line()
    running = claim_one()
    assert queue.promote(ALIAS, at("10:00")) == 0

    ack(running, Failed(error()) if isinstance(end, str) else end)

    assert queue.promote(ALIAS, at("10:00")) == 1
    assert state_of(waiting) == "ready"


def test_those_in_line_are_let_in_one_by_one_in_their_order() -> None:
    numbers = [in_line() for _ in range(4)]
    ran: list[int] = []

    while queue.promote(ALIAS, at("10:00")):
        assert queue.promote(ALIAS, at("10:00")) == 0
        job = claim_one()
        ran.append(job.id)
        ack(job, Succeeded())

    assert ran == numbers


def test_a_job_that_will_be_retried_holds_its_place_in_line() -> None:
    enqueue(lane="a")
    waiting = in_line()
    ack(claim_one(), Retry(error(), delay=3600))

    assert queue.promote(ALIAS, at("10:00")) == 0
    assert state_of(waiting) == "waiting"


def test_a_job_that_was_given_back_holds_its_place_in_line() -> None:
    enqueue(lane="a")
    waiting = in_line()
    queue.release(ALIAS, claim())

    assert queue.promote(ALIAS, at("10:00")) == 0
    assert state_of(waiting) == "waiting"


def test_lanes_do_not_wait_for_each_other_nor_for_jobs_without_one() -> None:
    enqueue()
    enqueue(lane="a")
    held_back = in_line(lane="a")
    free = [in_line(lane=lane) for lane in ("b", "c")]

    assert queue.promote(ALIAS, at("10:00")) == 2
    assert [state_of(id) for id in (held_back, *free)] == ["waiting", "ready", "ready"]


def test_nobody_in_line_starts_before_its_time() -> None:
    early = in_line("10:05")

    assert queue.promote(ALIAS, at("10:04:59")) == 0
    assert queue.promote(ALIAS, at("10:05")) == 1
    assert state_of(early) == "ready"
