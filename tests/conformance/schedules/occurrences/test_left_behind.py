"""A schedule that has another task or queue now does not wait for jobs that perhaps nobody can ever run."""

from __future__ import annotations

from typing import Any

import pytest

from schedules import changes
from schedules.models import Schedule, Source
from schedules.occurrences.jobs import lanes_of
from schedules.overview import health
from schedules.planning.policies import Overlap
from tests.conformance.model.virtual import (
    ALIAS,
    REPORT,
    VirtualClock,
    again,
    finish,
    jobs_of,
    ledger_of,
    start_jobs,
    sync,
)
from tests.conformance.worker.queue.jobs import error
from tests.schedules.recurrence.moments import at
from worker import queue, tasks
from worker.models import FinishedJob, Job, JobState, WorkerProcess
from worker.outcomes import Failed, Retry
from worker.tasks import Task
from worker.values import Ended

HOURLY: dict[str, Any] = {"source": Source.SETTINGS, "cron": "0 * * * *"}
MOVED = tasks.register(Task(REPORT.function, "moved.report"))


def moved(schedule: Schedule, clock: VirtualClock, **columns: Any) -> None:
    """The next release has the function in another module, or names another queue."""
    changes.edit(schedule, ALIAS, clock.now(), **columns)


@pytest.fixture(params=[{"task": MOVED.name}, {"queue": "mail"}], ids=["another task", "another queue"])
def moves(request: pytest.FixtureRequest) -> dict[str, str]:
    return dict(request.param)


@pytest.mark.parametrize("overlap", ["skip", "queue_one", "queue_all"])
def test_l1_l2_a_job_of_a_former_task_or_queue_does_not_silence_its_schedule(
    clock: VirtualClock, moves: dict[str, str], overlap: str
) -> None:
    schedule = clock.declared(**HOURLY, overlap=overlap)
    clock.tick("11:00")
    clock.to("11:30")
    moved(schedule, clock, **moves)

    clock.tick("12:00")

    assert ledger_of(schedule) == ["11:00 enqueued", "12:00 enqueued"]
    assert jobs_of(schedule) == ["11:00 ready", "12:00 ready"]


def test_a_job_that_is_given_back_or_retried_after_the_move_does_not_either(
    clock: VirtualClock, moves: dict[str, str]
) -> None:
    schedule = clock.declared(**HOURLY)
    clock.tick("11:00")
    (held,) = start_jobs()
    moved(schedule, clock, **moves)

    clock.tick("12:00")
    assert ledger_of(schedule)[-1] == "12:00 skipped_overlap", "it runs, so it can end"

    retried = Retry(error(), delay=86_400.0)
    queue.ack(ALIAS, [Ended(held, retried, clock.now(), clock.now())])
    clock.tick("13:00")
    assert ledger_of(schedule)[-1] == "13:00 enqueued"


def test_what_queues_up_behind_each_other_does_not_wait_for_what_is_left_behind(
    clock: VirtualClock, moves: dict[str, str]
) -> None:
    schedule = clock.declared(**HOURLY, overlap="queue_all")
    clock.tick("11:00")
    moved(schedule, clock, **moves)
    clock.tick("12:00")
    clock.tick("13:00")
    assert jobs_of(schedule) == ["11:00 ready", "12:00 ready", "13:00 waiting"]

    Job.objects.filter(scheduled_for=at("11:00")).update(run_at=at("2900-01-01 10:00"), state=JobState.SCHEDULED)
    finish(start_jobs(), clock.now())
    queue.promote(ALIAS, clock.now())

    assert jobs_of(schedule) == ["11:00 scheduled", "13:00 ready"]


@pytest.mark.parametrize("overlap", ["queue_one", "queue_all"])
def test_what_waits_behind_a_run_whose_worker_died_after_the_move_does_not_wait_for_it(
    clock: VirtualClock, moves: dict[str, str], overlap: str
) -> None:
    schedule = clock.declared(**HOURLY, overlap=overlap)
    clock.tick("11:00")
    start_jobs()
    moved(schedule, clock, **moves)
    clock.tick("12:00")
    assert jobs_of(schedule) == ["11:00 running", "12:00 waiting"], "it runs, so it can end"

    WorkerProcess.objects.all().delete()
    queue.rescue(ALIAS, 1000)
    clock.tick("13:00")

    assert jobs_of(schedule)[:2] == ["11:00 ready", "12:00 ready"]
    assert list(Job.objects.values_list("lane", flat=True).order_by("pk"))[:2] == [*reversed(lanes_of(schedule.pk))]


def test_a_job_of_the_same_task_under_its_former_name_is_the_run_before(
    clock: VirtualClock, own_declarations: None
) -> None:
    tasks.register(Task(REPORT.function, "renamed.report", formerly=("had.this.name.before",)))
    schedule = clock.declared(**HOURLY)
    changes.edit(schedule, ALIAS, clock.now(), task="had.this.name.before")
    clock.tick("11:00")
    moved(schedule, clock, task="renamed.report")

    clock.tick("12:00")

    assert ledger_of(schedule) == ["11:00 enqueued", "12:00 skipped_overlap"]


def test_a_job_of_its_own_counts_whether_or_not_a_worker_lives(clock: VirtualClock) -> None:
    schedule = clock.declared(**HOURLY)
    clock.tick("11:00")

    clock.tick("12:00")

    assert ledger_of(schedule) == ["11:00 enqueued", "12:00 skipped_overlap"]


@pytest.mark.parametrize("overlap", Overlap)
def test_a_job_that_is_left_behind_waits_is_told_and_goes_with_its_schedule(
    clock: VirtualClock, moves: dict[str, str], overlap: str
) -> None:
    schedule = clock.declared(**HOURLY, overlap=overlap)
    clock.tick("11:00")
    moved(schedule, clock, **moves)
    clock.tick("12:00")

    (problem,) = [each for each in health(ALIAS, clock.now()).problems if each.code == "left-behind"]
    assert problem.schedule == schedule.name
    assert 'goes on without 1 job of report on queue "default"' in problem.message
    assert list(Job.objects.values_list("lane", flat=True).order_by("pk")) == [*reversed(lanes_of(schedule.pk))]

    changes.delete(again(schedule), ALIAS)
    assert (Job.objects.count(), FinishedJob.objects.count()) == (0, 2)


@pytest.mark.parametrize("overlap", Overlap)
def test_a_job_of_a_queue_that_its_task_has_no_more_is_told(
    clock: VirtualClock, own_declarations: None, overlap: str
) -> None:
    clock.declared(**HOURLY, overlap=overlap)
    clock.tick("11:00")

    tasks.register(Task(REPORT.function, REPORT.name, queue="mail"))
    sync(ALIAS, clock, clock.now(), [])

    (problem,) = [each for each in health(ALIAS, clock.now()).problems if each.code == "left-behind"]
    assert 'goes on without 1 job of report on queue "default"' in problem.message


def test_l20_a_run_by_hand_that_fails_does_not_keep_the_next_from_running(clock: VirtualClock) -> None:
    schedule = clock.declared(source=Source.SETTINGS, cron="* * * * *")
    clock.to("10:00:10")
    changes.run_now(schedule, ALIAS, clock.now())
    (held,) = start_jobs()

    assert held.retry_before == at("10:01")
    queue.ack(ALIAS, [Ended(held, Failed(error()), clock.now(), clock.now())])
    clock.tick("10:01")

    assert ledger_of(schedule) == ["10:01 enqueued"]
