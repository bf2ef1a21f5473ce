"""Whose turn has come is found lane by lane: what that costs is the same, however many jobs wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db import connections, transaction

from tests.app.tasks import leave_trace
from tests.conformance.worker.process.workers import Crew
from tests.conformance.worker.queue.jobs import ALIAS, another_session, claim, enqueue, new, state_of
from tests.processes import eventually
from tests.schedules.recurrence.moments import at
from worker import queue
from worker.models import Job, JobState
from worker.queue import turns

pytestmark = pytest.mark.usefixtures("database")

NOW = at("10:00")
FEW, MANY = 20, 3000


def in_line(lane: str, time: str = "10:00") -> int:
    return enqueue(state=JobState.WAITING, lane=lane, run_at=at(time))


def many_in_line(lane: str, count: int) -> None:
    queue.enqueue_many([new(n, lane=lane, state=JobState.WAITING, run_at=NOW) for n in range(count)], ALIAS)


def ready() -> int:
    return Job.objects.filter(state=JobState.READY).count()


# Where somebody knows which lanes those are


def test_who_is_first_in_a_lane_that_is_named_is_let_in_and_nobody_else() -> None:
    enqueue(lane="busy")
    behind, first, second, elsewhere, early = (
        in_line("busy"),
        in_line("free"),
        in_line("free"),
        in_line("not named"),
        in_line("too early", "10:01"),
    )

    assert queue.let_in(ALIAS, ["busy", "free", "too early", "empty"], NOW) == 1

    assert state_of(first) == "ready"
    assert {state_of(id) for id in (behind, second, elsewhere, early)} == {"waiting"}


@pytest.mark.parametrize("count", [0, 1, 101])
def test_any_number_of_lanes_can_be_named(count: int) -> None:
    lanes = [f"lane {n}" for n in range(count)]
    for lane in lanes:
        in_line(lane)

    assert queue.let_in(ALIAS, lanes, NOW) == count


def test_nobody_is_let_in_while_the_one_before_has_only_been_let_in() -> None:
    in_line("a")
    in_line("a")

    assert queue.let_in(ALIAS, ["a"], NOW) == 1
    assert queue.let_in(ALIAS, ["a"], NOW) == 0
    claim()
    assert queue.let_in(ALIAS, ["a"], NOW) == 0


def test_who_waits_is_let_in_as_soon_as_the_one_before_has_ended_though_nobody_promotes(crew: Crew) -> None:
    """The worker that ends it looks who is next."""
    several = [
        enqueue("trace", task=leave_trace.task.name, lane="a", state=state)
        for state in (JobState.READY, JobState.WAITING, JobState.WAITING)
    ]

    crew.start()

    eventually(lambda: [state_of(id) for id in several] == ["succeeded"] * 3)


# All of them, in rounds


def test_every_lane_is_looked_at_in_its_turn_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_LANES", 3)
    for n in range(8):
        enqueue(lane=f"busy {n}")
        in_line(f"busy {n}")
    turns_taken, last = queue.Round(), in_line("free, and the last by name")
    before = ready()

    let_in = [turns_taken.let_in(ALIAS, NOW) for _ in range(3)]

    assert let_in == [0, 0, 1]
    assert state_of(last) == "ready"
    assert ready() == before + 1


def test_a_round_begins_anew_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_LANES", 2)
    for lane in ("a", "b", "c"):
        in_line(lane, "10:01")
    turns_taken = queue.Round()

    assert [turns_taken.let_in(ALIAS, NOW) for _ in range(2)] == [0, 0]
    assert [turns_taken.let_in(ALIAS, at("10:01")) for _ in range(2)] == [2, 1]


def test_a_few_lanes_are_all_looked_at_each_time() -> None:
    in_line("a", "10:01")
    in_line("b")
    turns_taken = queue.Round()
    assert turns_taken.let_in(ALIAS, NOW) == 1
    in_line("c", "10:01")

    assert turns_taken.let_in(ALIAS, at("10:01")) == 2


# What it costs


@pytest.mark.only_on("postgresql", "mysql", "sqlite")
@pytest.mark.parametrize(
    "look", [lambda using: queue.promote(using, NOW), lambda using: queue.let_in(using, ["a", "b"], NOW)]
)
def test_a_look_reads_as_much_however_many_jobs_wait_in_a_lane(
    look: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST_LANES", FEW)
    enqueue(lane="a")
    many_in_line("a", FEW)
    in_line("b")
    with another_session() as using:
        beside_few = _work_of(look, using)
        many_in_line("a", MANY)
        assert _work_of(look, using) < 2 * beside_few


@pytest.mark.only_on("postgresql", "mysql", "sqlite")
def test_a_look_reads_as_much_however_many_lanes_there_are_in_which_jobs_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "MOST_LANES", FEW)
    queue.enqueue_many([new(lane=f"lane {n}") for n in range(MANY)], ALIAS)
    several = [new(lane=f"lane {n}", state=JobState.WAITING, run_at=NOW) for n in range(MANY)]
    queue.enqueue_many(several[:FEW], ALIAS)
    with another_session() as using:
        beside_few = _work_of(lambda using: queue.promote(using, NOW), using)
        queue.enqueue_many(several[FEW:], ALIAS)
        assert _work_of(lambda using: queue.promote(using, NOW), using) < 2 * beside_few


def _work_of(act: Callable[[str], object], using: str) -> int:
    """How much its statements read, in rows, or on SQLite in steps. What it did is taken back."""
    _gather_statistics(using)
    with transaction.atomic(using=using):
        with _MEASURES[connections[using].vendor](using) as work:
            act(using)
        transaction.set_rollback(True, using=using)
    return sum(work)


@contextmanager
def _rows_of_postgresql(using: str) -> Iterator[list[int]]:
    work: list[int] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT", "WITH RECURSIVE")) and Job._meta.db_table in sql:
            with closing(context["connection"].create_cursor()) as cursor:  # no wrapper sees it
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
                ((plan,),) = cursor.fetchone()
            work.append(_rows_in(plan["Plan"]))
        return execute(sql, params, many, context)

    with connections[using].execute_wrapper(explain):
        yield work


def _rows_in(plan: dict[str, Any]) -> int:
    """Read by it, whether they were wanted or not."""
    each: float = plan["Actual Rows"] + sum(read for name, read in plan.items() if name.startswith("Rows Removed"))
    return int(each * plan["Actual Loops"]) + sum(map(_rows_in, plan.get("Plans", ())))


@contextmanager
def _rows_of_mysql(using: str) -> Iterator[list[int]]:
    work = [-_handler_reads(using)]
    yield work
    work.append(_handler_reads(using))


def _handler_reads(using: str) -> int:
    with connections[using].cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%%'", [])
        return sum(int(count) for _, count in cursor.fetchall())


@contextmanager
def _steps_of_sqlite(using: str) -> Iterator[list[int]]:
    work: list[int] = []
    connection = connections[using].connection
    connection.set_progress_handler(lambda: work.append(1), 1)
    try:
        yield work
    finally:
        connection.set_progress_handler(None, 1)


def _gather_statistics(using: str) -> None:
    analyze = "ANALYZE TABLE" if connections[using].vendor == "mysql" else "ANALYZE"
    with connections[using].cursor() as cursor:
        cursor.execute(f"{analyze} {Job._meta.db_table}")


_MEASURES = {"postgresql": _rows_of_postgresql, "mysql": _rows_of_mysql, "sqlite": _steps_of_sqlite}
