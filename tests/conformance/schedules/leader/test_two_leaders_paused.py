"""Two who both believe they lead tick the same schedules, and lose the processor to each other between statements.

Nothing holds the leader's lock here. A leader stands still before every statement and every commit, or before those
that a seed picks; the other then has the floor until it stands still itself, ends, or waits in the database for the
first, who then goes on after a moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from django.db import connections

from schedules import scheduler
from schedules.models import Occurrence
from schedules.occurrences import ledger, materialize
from schedules.occurrences.due_schedules import Readable
from schedules.scheduler import tick
from tests.conformance.model.virtual import VirtualClock
from tests.conformance.schedules.leader.leaders import assert_each_ran_once, in_own_session
from tests.schedules.recurrence.moments import at
from worker.chores import Chores
from worker.promotion import HELD_BY_OTHERS

SCHEDULES = 500
ALWAYS, NOW_AND_THEN = 1.0, 0.3
SEED = 0
TIMES = ("10:01", "10:02", "10:03")
MOMENT = 0.01
"""Seconds after which who stands still goes on: the other may be waiting in the database for it."""


@pytest.fixture(autouse=True)
def more_statements_to_stand_still_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "BATCH", 50)


class Floor:
    """Who of the two goes on."""

    def __init__(self, chance: float) -> None:
        self.statements = self.handed_over = 0
        self._chance = chance
        self._random = Random(SEED)
        self._changed = threading.Condition()
        self._present: set[str] = set()
        self._owner = ""

    @contextmanager
    def shared(self, using: str) -> Iterator[None]:
        """Stand still before statements of this session, and before its commits."""
        connection = connections[using]
        commit = connection.commit

        def pause(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            self._pause(using)
            return execute(sql, params, many, context)

        def pause_and_commit() -> None:
            self._pause(using)
            commit()

        self._present.add(using)
        connection.commit = pause_and_commit  # type: ignore[method-assign]  # the session is this leader's own
        try:
            with connection.execute_wrapper(pause):
                yield
        finally:
            with self._changed:
                self._present.discard(using)
                self._changed.notify_all()

    def _pause(self, using: str) -> None:
        with self._changed:
            others = self._present - {using}
            self.statements += len(others)
            if others and self._random.random() < self._chance:
                (self._owner,) = others
                self.handed_over += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._owner == using or self._present == {using}, MOMENT)


def lead_both(clock: VirtualClock, chance: float, schedules: int = SCHEDULES) -> Floor:
    clock.declared_many(schedules, repeat=60, catch_up="all", overlap="allow")
    floor, both = Floor(chance), threading.Barrier(2, timeout=30)

    def lead(using: str) -> None:
        chores = Chores()
        with floor.shared(using):
            both.wait()
            for time in TIMES:
                while (again_at := tick(using, at(time), chores)) is not None and again_at <= at(time) + HELD_BY_OTHERS:
                    pass

    with ThreadPoolExecutor(max_workers=2) as threads:
        for leader in [in_own_session(threads, f"leader {number}", lead) for number in (1, 2)]:
            leader.result()
    return floor


def test_two_leaders_that_stand_still_between_every_two_statements_lose_and_double_nothing(clock: VirtualClock) -> None:
    floor = lead_both(clock, ALWAYS)

    assert floor.handed_over == floor.statements > 200
    assert_each_ran_once(TIMES)


def test_two_leaders_that_stand_still_now_and_then_lose_and_double_nothing(clock: VirtualClock) -> None:
    floor = lead_both(clock, NOW_AND_THEN)

    assert floor.statements > floor.handed_over > 50
    assert_each_ran_once(TIMES)


def test_they_would_double_runs_if_revision_and_ledger_did_not_stop_them(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ledger.write

    def all_that_were_read(using: str, schedules: Sequence[Readable]) -> set[int]:
        return {schedule.id for schedule in schedules}

    def unless_there_is_one(lines: Sequence[ledger.Line], using: str) -> None:
        known = set(Occurrence.objects.using(using).values_list("schedule_id", "kind", "scheduled_for"))
        write([line for line in lines if line[:3] not in known], using)

    monkeypatch.setattr(materialize, "_unchanged", all_that_were_read)
    monkeypatch.setattr(ledger, "write", unless_there_is_one)
    lead_both(clock, ALWAYS, schedules=100)

    with pytest.raises(AssertionError):
        assert_each_ran_once(TIMES)
