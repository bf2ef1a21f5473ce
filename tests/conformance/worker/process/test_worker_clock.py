"""One clock: facts are dated by the database, and hosts may be an hour wrong in either direction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from schedules.testing import ManualClock
from tests.app.tasks import hold, leave_trace
from tests.conformance.worker.process.workers import Crew
from tests.conformance.worker.queue.jobs import ALIAS, ack, claim, enqueue, living_worker, rows_are_locked, state_of
from tests.locks import locked
from tests.processes import eventually
from worker.clock import ServerClock, database_now
from worker.models import FinishedJob, Job, WorkerProcess
from worker.outcomes import Snoozed
from worker.roster import beat
from worker.values import ClaimedJob

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(params=[3600.0, -3600.0], ids=["an hour fast", "an hour slow"])
def wrong_host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """This host's clock is an hour wrong, for all that asks it in Python."""
    shift: float = request.param
    true_time, true_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: true_time() + shift)
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + int(shift * 10**9))
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromtimestamp(true_time() + shift, tz=UTC))
    return shift


def away(instant: datetime | None) -> float:
    """Seconds between that and the database's now."""
    assert instant is not None
    return abs((database_now(ALIAS) - instant).total_seconds())


def test_facts_are_dated_by_the_database_whatever_the_host_believes(wrong_host: float, crew: Crew) -> None:
    done = leave_trace("one").pk

    crew.work_until_idle()

    row = FinishedJob.objects.get(pk=done)
    assert all(away(instant) < 60 for instant in (row.enqueued_at, row.run_at, row.started_at, row.finished_at))


def test_a_worker_on_a_wrong_host_is_alive_and_keeps_its_jobs(
    wrong_host: float, crew: Crew, settings: Settings
) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.1}
    id = hold("a").pk
    crew.start(threads=1)
    eventually(lambda: state_of(id) == "running")
    seen = WorkerProcess.objects.get().heartbeat_at
    eventually(lambda: WorkerProcess.objects.get().heartbeat_at > seen)

    assert away(WorkerProcess.objects.get().heartbeat_at) < 60
    assert state_of(id) == "running"


def test_a_delayed_job_runs_at_its_time_and_not_at_the_hosts(wrong_host: float, crew: Crew) -> None:
    soon, later = leave_trace.using(schedule=0).enqueue("now").pk, leave_trace.using(schedule=600).enqueue("later").pk

    crew.work_until_idle()

    assert (state_of(soon), state_of(later)) == ("succeeded", "scheduled")
    assert away(Job.objects.get(pk=later).run_at) == pytest.approx(600, abs=60)


def test_a_claim_and_a_retry_are_dated_by_the_database(wrong_host: float) -> None:
    leave_trace("one")
    (job,) = claim()

    assert away(Job.objects.get(pk=job.id).claimed_at) < 60


def test_the_databases_clock_is_read_in_utc_and_moves() -> None:
    first, second = database_now(ALIAS), database_now(ALIAS)

    assert first.tzinfo is UTC
    assert first <= second
    assert abs(datetime.now(UTC) - first) < timedelta(minutes=5)


def test_between_two_readings_the_clock_goes_on_by_itself() -> None:
    reading = datetime(2026, 7, 1, 10, tzinfo=UTC)
    host = ManualClock(reading - timedelta(hours=1))
    clock = ServerClock(reading, host)

    host.advance(7.5)
    assert clock.now() == reading + timedelta(seconds=7.5)
    clock.set(reading)
    assert clock.now() == reading


# What waits is dated by when it is written


def dated(id: int, job: ClaimedJob) -> dict[str, tuple[Callable[[], object], Callable[[], datetime | None]]]:
    """What dates a row by the database's clock, and the date."""
    return {
        "a sign of life": (
            lambda: beat(ALIAS, id),
            lambda: WorkerProcess.objects.get(pk=id).heartbeat_at,
        ),
        "a job that is put back": (
            lambda: ack(job, Snoozed(0)),
            lambda: Job.objects.get(pk=job.id).run_at,
        ),
    }


@pytest.mark.parametrize("locks", ["the table", pytest.param("the row", marks=rows_are_locked)])
@pytest.mark.parametrize("what", ["a sign of life", "a job that is put back"])
def test_what_waited_behind_a_lock_is_not_older_than_its_end(what: str, locks: str) -> None:
    enqueue()
    worker = living_worker()
    (job,) = claim(worker_id=worker)
    act, date = dated(worker, job)[what]
    with ThreadPoolExecutor(1) as thread, LOCKS[locks](worker, job.id):
        waiting = thread.submit(in_its_own_session, act)
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 0.5)
        assert not waiting.done()
        end = database_now(ALIAS)
    waiting.result()

    written = date()
    assert written is not None
    assert written >= end


def test_what_a_claim_dates_is_not_older_than_the_lock_that_it_waited_for() -> None:
    id = enqueue()
    worker = living_worker()
    with ThreadPoolExecutor(1) as thread, tables_locked(worker, id):
        waiting = thread.submit(in_its_own_session, lambda: claim(worker_id=worker))
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 0.5)
        end = database_now(ALIAS)
    waiting.result()

    assert (Job.objects.get(pk=id).claimed_at or end - timedelta(days=1)) >= end


def in_its_own_session(act: Callable[[], object]) -> None:
    try:
        act()
    finally:
        connection.close()


def tables_locked(worker: int, job: int) -> AbstractContextManager[None]:
    return locked(["worker_workerprocess", "worker_job"])


@contextmanager
def rows_locked(worker: int, job: int) -> Iterator[None]:
    with transaction.atomic():
        for rows in (WorkerProcess.objects.filter(pk=worker), Job.objects.filter(pk=job)):
            rows.select_for_update().get()
        yield


LOCKS = {"the table": tables_locked, "the row": rows_locked}
