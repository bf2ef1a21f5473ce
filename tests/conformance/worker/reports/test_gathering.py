"""Reports between slots and table: who may write, how often, and what is done when the database has no time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from schedules.testing import ManualClock
from tests.conformance.worker.process.workers import Session, cut, heard
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    ack,
    another_session,
    claim_one,
    claimed_by_the_dead,
    ended,
    enqueue,
    rows_are_locked,
)
from tests.refusals import raising
from tests.schedules.recurrence.moments import at
from worker import queue, signals
from worker.current.progress import told
from worker.models import Job, JobReport
from worker.outcomes import Succeeded
from worker.reports import PAUSE, Reports
from worker.reports.bodies import Bodies
from worker.reports.log_text import LogText
from worker.values import ClaimedJob

pytestmark = pytest.mark.usefixtures("database")


class Desk:
    """The reports of one worker, whose loop looks when the test says so."""

    def __init__(self) -> None:
        self.clock = ManualClock(at("10:00"))
        self.calls = 0
        self.reports = Reports(self.clock, self._count, spares_bodies=True)

    def _count(self) -> None:
        self.calls += 1

    def tell(self, job: ClaimedJob, done: float) -> None:
        self.reports.tell(job, told(done, None, ""))

    def write(self, *held: ClaimedJob, using: str = ALIAS, at_once: bool = False) -> None:
        self.reports.write(using, held, [], at_once=at_once)

    def end(self, job: ClaimedJob) -> None:
        """Its run is over, and the loop is about to record that."""
        self.reports.write(ALIAS, [job], [ended(job, Succeeded())])

    @property
    def due_in(self) -> float:
        return self.reports.due_at - self.clock.monotonic()


def done_of(job: ClaimedJob) -> float | None:
    return JobReport.objects.filter(pk=job.id).values_list("done", flat=True).first()


def claim_another() -> ClaimedJob:
    enqueue()
    return claim_one()


@contextmanager
def no_time(meanwhile: Callable[[], object] = lambda: None) -> Iterator[None]:
    """The database has none for reports. `meanwhile()` is called while it is asked."""

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if JobReport._meta.db_table in sql and sql.startswith("INSERT"):
            meanwhile()
            raise OperationalError("no time")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        yield


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def job() -> ClaimedJob:
    enqueue()
    return claim_one()


def test_the_first_is_written_at_once_and_the_newest_a_second_later(desk: Desk, job: ClaimedJob) -> None:
    assert desk.reports.due_at == math.inf
    desk.tell(job, 1)
    assert desk.reports.due_at <= desk.clock.monotonic()
    desk.write(job)
    assert done_of(job) == 1

    desk.tell(job, 2)
    desk.tell(job, 3)
    assert desk.reports.due_at == desk.clock.monotonic() + PAUSE
    desk.write(job)
    assert done_of(job) == 1
    desk.clock.advance(PAUSE)
    desk.write(job)
    assert done_of(job) == 3
    assert desk.reports.due_at == math.inf


def test_the_loop_is_called_for_the_first_and_once_a_second_however_much_is_told(desk: Desk, job: ClaimedJob) -> None:
    for done in range(1000):
        desk.tell(job, done)
    desk.write(job)
    calls = desk.calls
    for done in range(1000):
        desk.tell(job, done)

    assert desk.calls == calls + 1


def test_the_loop_is_called_for_the_first_of_a_run_though_others_wait(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    desk.write(job)
    desk.tell(job, 2)
    calls = desk.calls

    desk.tell(claim_another(), 1)

    assert desk.calls == calls + 1


def test_a_first_report_puts_off_no_other(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    desk.write(job)
    desk.clock.advance(PAUSE / 2)
    other = claim_another()
    desk.tell(job, 2)
    desk.tell(other, 1)
    desk.write(job, other)
    assert (done_of(job), done_of(other)) == (1, 1)

    desk.clock.advance(PAUSE / 2)
    desk.write(job, other)

    assert done_of(job) == 2


def test_a_worker_that_leaves_writes_all_at_once(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    desk.write(job)
    desk.tell(job, 2)
    desk.write(job, at_once=True)
    assert done_of(job) == 2

    desk.tell(job, 3)
    desk.clock.advance(PAUSE)
    with no_time():
        desk.write(job)
    desk.write(job, at_once=True)

    assert done_of(job) == 3


def test_a_worker_that_leaves_waits_for_no_atomic_run(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    with desk.reports.of_body():
        desk.write(job)
        assert done_of(job) is None
        desk.write(job, at_once=True)
        assert done_of(job) == 1


def test_what_a_run_told_that_recorded_its_own_end_is_given_up_and_told_when_the_worker_leaves(
    desk: Desk, job: ClaimedJob
) -> None:
    desk.tell(job, 1)
    end = ended(job, Succeeded())
    queue.ack(ALIAS, [end])
    with no_time(), heard(signals.reports_refused) as refused:
        desk.reports.write(ALIAS, [job], [end._replace(recorded=True)], at_once=True)

    assert [each["jobs"] for each in refused] == [[job.id]]


def test_progress_keeps_its_instant_though_the_log_grows_after_it(desk: Desk, job: ClaimedJob) -> None:
    text = LogText("1 of 5")
    told_at = desk.clock.now()
    desk.tell(job, 1)
    desk.clock.advance(PAUSE)
    text.add("later")
    desk.reports.keep_log(job, text)
    desk.write(job)

    row = JobReport.objects.get(pk=job.id)
    assert (row.done, row.progress_at) == (1, told_at)
    assert row.log == text.whole()


def test_the_last_is_written_before_the_end_is_recorded_however_soon(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    desk.write(job)
    desk.tell(job, 2)
    desk.end(job)

    assert done_of(job) == 2
    assert not desk.reports.are_there


def test_a_first_report_waits_for_no_other_job(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    desk.write(job)
    other = claim_another()

    desk.tell(job, 2)
    desk.tell(other, 5)
    assert desk.reports.due_at <= desk.clock.monotonic()
    desk.write(job, other)

    assert (done_of(job), done_of(other)) == (1, 5)


def test_a_worker_that_was_taken_for_dead_writes_nothing_over_the_next_one(desk: Desk) -> None:
    enqueue()
    (lost,) = claimed_by_the_dead()
    desk.tell(lost, 1)
    desk.write(lost)
    queue.rescue(ALIAS, 1000)
    desk.tell(lost, 2)
    desk.clock.advance(PAUSE)
    desk.write(lost)
    assert done_of(lost) == 1, "nobody has it, and it is not the dead one's any more"

    own = claim_one()
    after = Desk()
    after.tell(own, 10)
    after.write(own)
    desk.tell(lost, 3)
    desk.end(lost)

    assert done_of(own) == 10
    assert not desk.reports.are_there, "nothing is left to be tried again"


def test_a_report_that_comes_after_the_end_is_dropped(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    desk.end(job)
    assert ack(job, Succeeded())
    desk.tell(job, 2)
    desk.write()

    assert done_of(job) == 1
    assert not desk.reports.are_there


def test_what_a_run_told_that_recorded_its_own_end_is_written_after_it(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    end = ended(job, Succeeded())
    queue.ack(ALIAS, [end])
    desk.reports.write(ALIAS, [job], [end._replace(recorded=True)])

    assert done_of(job) == 1


def test_a_run_that_recorded_its_own_end_and_was_pruned_leaves_nothing(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    Job.objects.all().delete()
    desk.reports.write(ALIAS, [job], [ended(job, Succeeded())._replace(recorded=True)])

    assert not JobReport.objects.exists()


def test_while_an_atomic_run_is_open_reports_go_along_with_another_write_only(desk: Desk, job: ClaimedJob) -> None:
    enqueue()
    over = claim_one()
    end = ended(over, Succeeded())
    queue.ack(ALIAS, [end])
    desk.tell(job, 1)
    desk.tell(over, 2)
    with desk.reports.of_body():
        desk.reports.write(ALIAS, [job], [end._replace(recorded=True)])
        assert (done_of(job), done_of(over)) == (None, None)
        assert desk.reports.due_at == desk.clock.monotonic() + PAUSE
        desk.reports.write(ALIAS, [job], [], is_beside=True)
        assert (done_of(job), done_of(over)) == (1, 2)

        desk.tell(job, 3)
        desk.end(job)
        assert done_of(job) == 3


def test_what_waits_for_an_atomic_run_is_written_when_that_is_over(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    end = ended(job, Succeeded())
    queue.ack(ALIAS, [end])
    with desk.reports.of_body(), desk.reports.of_body():
        desk.reports.write(ALIAS, [job], [end._replace(recorded=True)])
    desk.write()

    assert done_of(job) == 1
    assert not desk.reports.are_there


def test_an_atomic_run_begins_after_the_report_that_is_being_written() -> None:
    bodies = Bodies()
    opened = bodies.open()
    body = threading.Thread(target=opened.__enter__)
    with bodies.between() as has_come:
        assert has_come
        body.start()
        body.join(timeout=0.1)
        assert body.is_alive()
    body.join(timeout=10)
    with bodies.between() as has_come:
        assert not has_come


@pytest.mark.only_on("sqlite")
def test_the_last_of_an_atomic_run_is_kept_while_somebody_else_writes(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    end = ended(job, Succeeded())
    queue.ack(ALIAS, [end])
    with another_session() as using:
        with transaction.atomic():
            desk.reports.write(using, [job], [end._replace(recorded=True)])
        desk.write(using=using)

    assert done_of(job) == 1


@pytest.mark.own_session
def test_what_a_lost_session_did_not_take_the_next_one_writes(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    end = ended(job, Succeeded())
    with another_session("lost") as using:
        cut(Session.of(connections[using]))
        with pytest.raises(OperationalError):
            desk.reports.write(using, [job], [end])
    desk.reports.write(ALIAS, [job], [end])

    assert done_of(job) == 1


# When the database has no time


def test_where_the_database_has_no_time_the_pauses_grow_for_all_until_it_has(desk: Desk, job: ClaimedJob) -> None:
    for seconds in (PAUSE, 2 * PAUSE, 4 * PAUSE):
        desk.tell(job, 1)
        with no_time():
            desk.write(job)
        assert desk.due_in == seconds
        desk.tell(claim_another(), 1)
        assert desk.due_in == seconds, "the first of another run waits, too"
        desk.clock.advance(seconds / 2)
        desk.write(job)
        assert done_of(job) is None
        desk.clock.advance(seconds / 2)

    desk.write(job)
    assert done_of(job) == 1
    desk.tell(job, 2)
    desk.clock.advance(PAUSE)
    with no_time():
        desk.write(job)
    assert desk.due_in == PAUSE


def test_what_could_not_be_written_takes_no_place_of_what_was_told_meanwhile(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    with no_time(meanwhile=lambda: desk.tell(job, 2)):
        desk.write(job)
    desk.clock.advance(PAUSE)
    desk.write(job)

    assert done_of(job) == 2


def test_the_last_for_which_the_database_has_no_time_is_given_up_and_told(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    with no_time(), heard(signals.reports_refused) as refused:
        desk.end(job)

    assert [each["jobs"] for each in refused] == [[job.id]]
    assert not desk.reports.are_there


def test_a_report_that_is_refused_is_dropped_and_takes_no_other_along(desk: Desk, job: ClaimedJob) -> None:
    other = claim_another()
    desk.tell(job, 13)
    desk.reports.tell(other, told(1, None, "ü"))
    with raising("worker_jobreport", only="NEW.done = 13"), heard(signals.reports_refused) as refused:
        desk.write(job, other)

    assert [(row.pk, row.done, row.note) for row in JobReport.objects.all()] == [(other.id, 1, "ü")]
    assert [each["jobs"] for each in refused] == [[job.id]]
    assert desk.reports.due_at == math.inf
    desk.tell(claim_another(), 1)
    assert desk.due_in == PAUSE, "it may be refused as well"


@rows_are_locked
def test_the_loop_passes_over_a_job_that_its_task_has_locked(desk: Desk, job: ClaimedJob) -> None:
    other = claim_another()
    desk.tell(job, 1)
    desk.tell(other, 1)
    with another_session("task") as task, another_session("loop") as using:
        with transaction.atomic(using=task):
            list(Job.objects.using(task).filter(pk=job.id).select_for_update())
            desk.write(job, other, using=using)
            assert (done_of(job), done_of(other)) == (None, 1)
        desk.clock.advance(PAUSE)
        desk.write(job, other, using=using)

    assert done_of(job) == 1


@rows_are_locked
def test_the_last_waits_for_who_has_locked_the_job(desk: Desk, job: ClaimedJob) -> None:
    def end() -> None:
        desk.end(job)
        connections.close_all()

    desk.tell(job, 1)
    ends = threading.Thread(target=end)
    with another_session() as using, transaction.atomic(using=using):
        list(Job.objects.using(using).filter(pk=job.id).select_for_update())
        ends.start()
        ends.join(timeout=0.2)
    ends.join(timeout=60)

    assert done_of(job) == 1


@pytest.mark.only_on("sqlite")
def test_the_loop_does_not_wait_for_a_task_that_has_the_write_lock(desk: Desk, job: ClaimedJob) -> None:
    desk.tell(job, 1)
    with another_session() as using:
        with transaction.atomic():
            begun = time.monotonic()
            desk.write(job, using=using)  # the writer is this thread: to wait would be to wait in vain
            assert time.monotonic() - begun < connections[using].settings_dict["OPTIONS"].get("timeout", 5) / 2
            assert desk.reports.due_at >= desk.clock.monotonic() + PAUSE
        desk.clock.advance(PAUSE)
        desk.write(job, using=using)

    assert done_of(job) == 1
