"""A job that is due and cannot run says why: in the list, in the history of its schedule, and on its page alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import escape

from schedules import changes
from schedules.models import Occurrence
from schedules.occurrences.jobs import lane_of
from schedules.overview import Selection, overview
from schedules.overview.past_runs import history
from schedules.overview.pending import MOST_JOBS
from schedules.overview.values import PendingJob
from tests.app.tasks import nothing
from tests.conformance.model.virtual import ALIAS, VirtualClock
from tests.conformance.worker.queue.jobs import claim_one, ended, enqueue, error
from worker import queue
from worker.clock import database_now
from worker.models import Job, JobState, WorkerProcess
from worker.outcomes import Failed

KNOWN = nothing.task.name


@pytest.fixture
def clock(database: None) -> VirtualClock:
    """That of the database, by which the admin reads."""
    clock = VirtualClock()
    clock.set(database_now(ALIAS))
    return clock


def works(clock: VirtualClock, *queues: str) -> None:
    now = clock.now()
    WorkerProcess.objects.create(name="w:1", slots=4, queues="\n".join(queues), started_at=now, heartbeat_at=now)


def pending(clock: VirtualClock, **selection: Any) -> tuple[PendingJob, ...]:
    clock.set(database_now(ALIAS))
    return overview(ALIAS, clock.now(), 1, Selection(**selection)).jobs


def hindered(clock: VirtualClock) -> list[str]:
    return [job.hindered for job in pending(clock)]


def test_a_job_whose_queue_no_worker_drains(clock: VirtualClock) -> None:
    works(clock, "default", "a,b")
    enqueue(task=KNOWN, queue="mail")
    enqueue(task=KNOWN)

    assert hindered(clock) == ['No worker drains its queue. Those alive drain only "a,b", "default".', ""]


def test_a_job_while_no_worker_is_alive(clock: VirtualClock) -> None:
    enqueue(task=KNOWN)

    assert hindered(clock) == ["No worker is alive."]


def test_a_job_of_a_task_that_this_process_does_not_know(clock: VirtualClock) -> None:
    works(clock)
    enqueue(task="shop.tasks.gone")

    assert hindered(clock) == ["This process does not know its task. No app in INSTALLED_APPS contains shop.tasks."]


def test_a_job_behind_the_run_before_it_and_one_of_a_paused_schedule(clock: VirtualClock) -> None:
    works(clock)
    schedule = clock.declared(repeat=60)
    lane = lane_of(schedule.pk)
    enqueue(task=KNOWN, state=JobState.WAITING, lane=lane, schedule_id=schedule.pk)
    assert hindered(clock) == ["The run before it, of the same schedule, is not finished."]

    changes.pause(schedule, ALIAS, clock.now(), reason="vendor outage")
    (job,) = pending(clock)

    assert (job.state, job.schedule, job.hindered) == ("held", "s", "Its schedule is paused.")


def test_a_job_that_has_ended_and_cannot_be_recorded(clock: VirtualClock) -> None:
    works(clock)
    enqueue(task=KNOWN)
    over = ended(claim_one(), Failed(error()))
    errors = queue.errors_with_note(over, "disk full")
    Job.objects.update(errors=errors, state=JobState.READY, claim=None, worker_id=None)

    assert hindered(clock) == ["It has ended, and the database refuses to record that."]


def test_a_job_that_only_waits_for_a_slot_or_for_its_time_is_not_hindered(clock: VirtualClock) -> None:
    enqueue(state=JobState.SCHEDULED, delay=3600.0, queue="mail", task="shop.tasks.gone")
    works(clock, "default")
    enqueue(task=KNOWN)

    assert [(job.state, job.hindered) for job in pending(clock)] == [("ready", ""), ("scheduled", "")]


def test_those_are_listed_whose_time_is_first_and_that_do_not_run(clock: VirtualClock) -> None:
    works(clock)
    enqueue(task=KNOWN)
    claim_one()
    first = [enqueue(task=KNOWN) for _ in range(MOST_JOBS - 1)]
    later = enqueue(state=JobState.SCHEDULED, delay=60.0, task=KNOWN)
    enqueue(state=JobState.SCHEDULED, delay=90.0, task=KNOWN)

    assert [job.id for job in pending(clock)] == [*first, later]
    assert [job.id for job in pending(clock, within=timedelta(seconds=30))] == first
    assert pending(clock, queue="mail") == ()


def test_the_history_of_a_schedule_and_the_page_of_the_job_say_the_same(clock: VirtualClock, client: Client) -> None:
    works(clock, "mail")
    schedule = clock.declared(repeat=60)
    now = clock.now()
    job = enqueue(task=KNOWN, lane=lane_of(schedule.pk), schedule_id=schedule.pk, scheduled_for=now)
    line = {"schedule": schedule, "kind": "nominal", "scheduled_for": now, "outcome": "enqueued", "recorded_at": now}
    Occurrence.objects.create(**line, job_id=job)
    client.force_login(User.objects.create_superuser("olga"))

    page = client.get(f"/admin/worker/job/{job}/change/").content.decode()
    (told,) = history(ALIAS, schedule.pk, database_now(ALIAS))

    why = 'No worker drains its queue. Those alive drain only "mail".'
    assert (told.outcome, told.reason) == ("ready", why)
    assert escape(why) in page
    assert hindered(clock) == [why]
