"""Invariant 1 with its first defence taken away: two leaders who both believe they lead, in sessions of their own.

Nothing here holds the leader's lock. What is left are the compared revision and the ledger's unique constraint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

from schedules import changes
from schedules.models import Occurrence, Schedule
from schedules.occurrences.materialize import Authority, materialize
from tests.conformance.model.virtual import VirtualClock, again, jobs_of, ledger_of
from tests.conformance.schedules.leader.leaders import assert_each_ran_once, in_own_session
from tests.schedules.recurrence.moments import at
from worker.models import Job

SCHEDULES = 200
MOMENT = 0.3
"""Seconds for which one may be held to let another overtake. Where a database lets one write at a time, it cannot."""


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield pool


def due(using: str, now: datetime) -> list[Schedule]:
    return list(Schedule.objects.using(using).due(now))


@contextmanager
def held_at(using: str, statement: str, arrived: Event, go_on: Event) -> Iterator[None]:
    """Hold the session once, just before it executes a statement with these words, in this order."""
    words = re.compile(r"\b.*?\b".join(statement.split()))

    def hold(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if words.search(sql) and not arrived.is_set():
            arrived.set()
            go_on.wait(MOMENT)
        return execute(sql, params, many, context)

    with connections[using].execute_wrapper(hold):
        yield


def test_two_leaders_that_read_the_same_rows_enqueue_each_occurrence_once(
    clock: VirtualClock, threads: ThreadPoolExecutor
) -> None:
    clock.declared_many(SCHEDULES, repeat=60, overlap="allow")
    times = ["10:01", "10:02", "10:03", "10:04"]
    both = Barrier(2, timeout=30)

    def lead(using: str) -> int:
        settled = 0
        for time in times:
            now = at(time)
            both.wait()
            rows = due(using, now)
            both.wait()
            settled += materialize(using, now, rows)
        return settled

    leaders = [in_own_session(threads, f"leader {number}", lead) for number in (1, 2)]

    assert sum(leader.result() for leader in leaders) == SCHEDULES * len(times)
    assert_each_ran_once(times)


def test_two_leaders_inside_their_transactions_at_once_enqueue_each_occurrence_once(
    clock: VirtualClock, threads: ThreadPoolExecutor
) -> None:
    clock.declared_many(SCHEDULES, repeat=60)
    now = clock.to("10:01")
    both, inside = Barrier(2, timeout=30), Barrier(2)

    def meet() -> None:
        """Wait inside the transaction until both are there, as far as the database allows."""
        if connection.vendor != "sqlite":
            inside.wait(30)

    def lead(using: str) -> int:
        rows = due(using, now)
        both.wait()
        return materialize(using, now, rows, Authority(1, meet))

    leaders = [in_own_session(threads, f"leader {number}", lead) for number in (1, 2)]

    assert sum(leader.result() for leader in leaders) == SCHEDULES
    assert_each_ran_once(["10:01"])


@pytest.mark.parametrize("statement", ["UPDATE SET settled_until", "INSERT INTO"])
def test_a_leader_that_stands_still_between_two_statements_doubles_nothing(
    clock: VirtualClock, threads: ThreadPoolExecutor, statement: str
) -> None:
    clock.declared_many(20, repeat=60)
    now = clock.to("10:01")
    arrived, overtaken = Event(), Event()

    def lead_slowly(using: str) -> int:
        with held_at(using, statement, arrived, overtaken):
            return materialize(using, now, due(using, now))

    def overtake(using: str) -> int:
        rows = due(using, now)
        assert arrived.wait(30)
        settled = materialize(using, now, rows)
        overtaken.set()
        return settled

    leaders = [
        in_own_session(threads, "slow leader", lead_slowly),
        in_own_session(threads, "fast leader", overtake),
    ]

    assert [leader.result() for leader in leaders] == [20, 0]
    assert_each_ran_once(["10:01"])


def test_a_leader_that_dies_before_it_commits_leaves_all_to_the_next(
    clock: VirtualClock, threads: ThreadPoolExecutor
) -> None:
    clock.declared_many(20, repeat=60)
    now = clock.to("10:01")

    def die(using: str) -> int:
        def cut_off(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            if "INSERT INTO" in sql and Occurrence._meta.db_table in sql:
                raise OperationalError("the server is gone")
            return execute(sql, params, many, context)

        with connections[using].execute_wrapper(cut_off):
            return materialize(using, now, due(using, now))

    with pytest.raises(OperationalError):
        in_own_session(threads, "dying leader", die).result()
    assert Job.objects.count() == Occurrence.objects.count() == 0
    clock.tick()

    assert_each_ran_once(["10:01"])


def test_a_pause_while_a_tick_holds_the_row_waits_and_settles_the_rest(
    clock: VirtualClock, threads: ThreadPoolExecutor
) -> None:
    schedule = clock.declared(repeat=60)
    now = clock.to("10:01")
    arrived, pausing = Event(), Event()

    def lead(using: str) -> int:
        with held_at(using, "UPDATE SET settled_until", arrived, pausing):
            return materialize(using, now, due(using, now))

    def pause(using: str) -> None:
        assert arrived.wait(30)
        changes.pause(schedule, using, clock.now(), reason="")

    leader, operator = in_own_session(threads, "leader", lead), in_own_session(threads, "operator", pause)

    assert leader.result() == 1
    operator.result()
    clock.tick("10:05")
    assert ledger_of(schedule) == ["10:01 enqueued"]
    assert again(schedule).status == "paused"


def test_edits_that_race_with_ticks_lose_and_double_nothing(clock: VirtualClock, threads: ThreadPoolExecutor) -> None:
    schedule = clock.declared(repeat=60, catch_up="all", overlap="allow")
    times = [f"10:{minute:02}" for minute in range(1, 21)]
    both = Barrier(2, timeout=30)

    def lead(using: str) -> None:
        for time in times:
            both.wait()
            clock.to(time)
            both.wait()
            materialize(using, at(time), due(using, at(time)))

    def edit(using: str) -> None:
        for priority, _ in enumerate(times):
            both.wait()
            both.wait()
            changes.edit(schedule, using, clock.now(), priority=priority)

    for racer in [in_own_session(threads, "leader", lead), in_own_session(threads, "operator", edit)]:
        racer.result()
    clock.tick()

    assert ledger_of(schedule) == [f"{time} enqueued" for time in times]
    assert jobs_of(schedule) == [f"{time} ready" for time in times]
    assert again(schedule).priority == len(times) - 1


def test_pauses_that_race_with_ticks_explain_every_occurrence_once(
    clock: VirtualClock, threads: ThreadPoolExecutor
) -> None:
    schedule = clock.declared(repeat=60, catch_up="all", overlap="allow")
    times = [f"10:{minute:02}" for minute in range(1, 21)]
    both = Barrier(2, timeout=30)

    def lead(using: str) -> None:
        for time in times:
            both.wait()
            clock.to(time)
            both.wait()
            materialize(using, at(time), due(using, at(time)))

    def pause_and_resume(using: str) -> None:
        for number, _ in enumerate(times):
            both.wait()
            both.wait()
            if number % 2:
                changes.resume(schedule, using, clock.now())
            else:
                changes.pause(schedule, using, clock.now(), reason="")

    for racer in [
        in_own_session(threads, "leader", lead),
        in_own_session(threads, "operator", pause_and_resume),
    ]:
        racer.result()
    clock.tick()

    lines = Occurrence.objects.order_by("scheduled_for")
    assert [line.scheduled_for for line in lines] == [at(time) for time in times]
    assert {line.outcome for line in lines} <= {"enqueued", "paused"}
    assert jobs_of(schedule) == [f"{line.scheduled_for:%H:%M} ready" for line in lines if line.outcome == "enqueued"]
