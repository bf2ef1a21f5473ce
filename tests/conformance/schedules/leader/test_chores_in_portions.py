"""No chore holds up a tick or a sign of life: each is done a portion at a time, however much there is of it.

Time is the test's: each statement of the leader takes a millisecond, and nothing else takes any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models import QuerySet
from pytest_django import Settings

from schedules.declarations.sync import Declarations
from schedules.leader.alive import last_sign
from schedules.leader.glance import Watch
from schedules.leader.lock import lock_on
from schedules.leader.term import Term
from schedules.models import Instant, Leadership, Occurrence, Schedule, Source
from schedules.testing import ManualClock
from tests.conformance.model.virtual import ALIAS, VirtualClock, declared
from tests.conformance.worker.queue.jobs import claimed_by_the_dead, new
from worker import erasure, queue
from worker import rescue as rescues
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobState
from worker.sessions.connection import private_connection

pytestmark = pytest.mark.usefixtures("database")

LONG_AGO = timedelta(days=400)
STATEMENT = 0.001
"""Seconds."""
IN_TIME = 0.1
"""Seconds: a turn of 50 ms, and the next tick."""
ROWS, ROWS_ONE_BY_ONE = 1500, 150


class ByHand(Watch):
    """What is due is in the tables, and the time is the test's."""

    def __init__(self, using: str, clock: ManualClock) -> None:
        super().__init__(using)
        self.clock = clock

    def now(self) -> datetime:
        return self.clock.now()

    def when_written(self) -> Instant:
        return self.clock.now()

    def glance(self) -> tuple[datetime, datetime | None]:
        _, due = super().glance()
        return self.clock.now(), due


# What there is to do. Each gives the rows of which none is left in the end.


def finished_jobs(now: datetime) -> QuerySet[Any]:
    instants = dict.fromkeys(("enqueued_at", "run_at"), now - LONG_AGO)
    FinishedJob.objects.bulk_create(
        FinishedJob(pk=n, task="a.task", queue="default", max_attempts=1, finished_at=_nth(now, n), **instants)
        for n in range(1, ROWS)
    )
    return FinishedJob.objects.all()


def ledger_lines(now: datetime) -> QuerySet[Any]:
    of = declared("of old", cron="0 0 1 1 *")
    Occurrence.objects.bulk_create(
        Occurrence(schedule=of, scheduled_for=_nth(now, n), recorded_at=_nth(now, n), outcome="enqueued")
        for n in range(ROWS)
    )
    return Occurrence.objects.filter(schedule=of)


def terms(now: datetime) -> QuerySet[Any]:
    Leadership.objects.bulk_create(
        Leadership(leader="gone", lock="session", started_at=_nth(now, n), renewed_at=_nth(now, n)) for n in range(ROWS)
    )
    return Leadership.objects.filter(leader="gone")


def undeclared_schedules(now: datetime) -> QuerySet[Any]:
    _many_schedules(source=Source.CODE, undeclared_at=now - timedelta(minutes=11))
    return Schedule.objects.filter(source=Source.CODE, retired_at=None)


def schedules_of_other_zone_data(now: datetime) -> QuerySet[Any]:
    _many_schedules(zone_version="1999a")
    return Schedule.objects.filter(zone_version="1999a")


def pauses_that_are_over(now: datetime) -> QuerySet[Any]:
    _many_schedules(paused_at=now - timedelta(hours=1), paused_until=now, next_run_at=None)
    return Schedule.objects.exclude(paused_at=None)


def jobs_of_the_dead(now: datetime) -> QuerySet[Any]:
    queue.enqueue_many([new(n) for n in range(ROWS)], ALIAS)
    while claimed_by_the_dead():
        pass
    return Job.objects.filter(state=JobState.RUNNING)


def delayed_jobs(now: datetime) -> QuerySet[Any]:
    queue.enqueue_many([new(n, state=JobState.SCHEDULED, run_at=now) for n in range(ROWS)], ALIAS)
    return Job.objects.filter(state=JobState.SCHEDULED)


MUCH: list[Callable[[datetime], QuerySet[Any]]] = [
    finished_jobs,
    ledger_lines,
    terms,
    undeclared_schedules,
    schedules_of_other_zone_data,
    pauses_that_are_over,
    jobs_of_the_dead,
    delayed_jobs,
]


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what has a thousand rows is done in hundreds of portions."""
    monkeypatch.setattr(erasure, "PORTION", 5)
    monkeypatch.setattr(rescues, "MOST_JOBS", 5)
    monkeypatch.setattr(queue, "MOST_PROMOTED", 5)


@pytest.mark.usefixtures("small_portions")
@pytest.mark.parametrize("much", MUCH, ids=lambda much: much.__name__)
def test_no_chore_holds_up_a_tick_or_a_sign_of_life(
    much: Callable[[datetime], QuerySet[Any]], settings: Settings
) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.2, "RESCUE_AFTER": 20}
    left = much(database_now(ALIAS))
    each_second = declared("each second", repeat=1, overlap="allow")
    assert each_second.next_run_at is not None
    clock = ManualClock(each_second.next_run_at - timedelta(seconds=0.1))

    with a_term(clock) as term:
        term.begin(after=last_sign(term.using))
        while left.exists() or clock.monotonic() < 3:
            pause = term.turn()
            assert clock.monotonic() - term.renew_at < IN_TIME
            clock.advance(pause)

    lines = Occurrence.objects.filter(schedule=each_second)
    late = [line.recorded_at - line.scheduled_for for line in lines]
    assert len(late) >= 2
    assert max(late) < timedelta(seconds=IN_TIME)


@contextmanager
def a_term(clock: ManualClock, wanted: Declarations | None = None) -> Iterator[Term]:
    """Of a process that declares this, or nothing. Each of its statements takes its time."""
    with private_connection(ALIAS, "leader") as using:
        lock = lock_on(using)
        assert lock.acquire()

        def take_time(execute: Any, *statement: Any) -> Any:
            clock.advance(STATEMENT)
            return execute(*statement)

        try:
            with connections[using].execute_wrapper(take_time):
                watch = ByHand(using, clock)
                yield Term(using, lock, "by hand", clock.now(), wanted or Declarations([]), watch=watch, host=clock)
        finally:
            lock.abandon()


def _nth(now: datetime, n: int) -> datetime:
    return now - LONG_AGO + timedelta(seconds=n)


def _many_schedules(**columns: Any) -> None:
    VirtualClock().declared_many(ROWS_ONE_BY_ONE, repeat=3600, start="2900-01-01 00:00")
    Schedule.objects.update(**columns)
