"""What is no instant stands in a column of one row: it is set aside or shown, and stops nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.test import Client

from schedules.leader.glance import glance
from schedules.models import Leadership, Occurrence, Schedule
from schedules.overview import overview
from schedules.scheduler import tick
from tests.app.tasks import leave_trace
from tests.conformance.worker.process.workers import Crew
from tests.conformance.worker.queue.jobs import ALIAS, claim, enqueue, in_history, state_of
from tests.schedules.admin import admin_rows
from worker.chores import Chores
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobRecord, WorkerProcess

NO_INSTANTS = {
    "postgresql": ("infinity", "-infinity", "10000-01-01 00:00+00", "4713-01-01 00:00+00 BC"),
    "mysql": ("0000-00-00 00:00:00",),
    "sqlite": ("infinity", "-infinity", "2024-13-45 00:00:00", "", "10000-01-01 00:00:00"),
}

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.only_on(*NO_INSTANTS)]


@pytest.fixture(params=range(5))
def no_instant(request: pytest.FixtureRequest, database: None) -> str:
    values = NO_INSTANTS[connection.vendor]
    if request.param >= len(values):
        pytest.skip("It has fewer of them.")
    return str(values[request.param])


def put(model: type[models.Model], id: int, column: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {model._meta.db_table} SET {column} = %s WHERE id = %s", [value, id])


def instants_of(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if isinstance(field, models.DateTimeField)]


def schedules_with(no_instant: str) -> None:
    """One for each column that holds no instant, and all due but for that."""
    now = database_now(ALIAS)
    due = {"settled_until": now - timedelta(minutes=2), "next_run_at": now - timedelta(seconds=1)}
    for column in instants_of(Schedule):
        row = admin_rows.schedule(f"{column} is none", repeat=60, columns=due)
        put(Schedule, row.pk, column, no_instant)
    admin_rows.schedule("good", repeat=60, columns=due)


def jobs_with(no_instant: str) -> list[int]:
    """Ready; one for each column that holds no instant."""
    ids = []
    for column in instants_of(Job):
        ids.append(enqueue())
        put(Job, ids[-1], column, no_instant)
    return ids


def test_one_schedule_holds_up_no_tick(no_instant: str) -> None:
    schedules_with(no_instant)
    now, _ = glance(ALIAS)

    tick(ALIAS, now, Chores())
    glance(ALIAS)

    good = Schedule.objects.get(name="good")
    assert Job.objects.filter(schedule_id=good.pk).count() == 1
    assert good.next_run_at is not None
    assert good.next_run_at > now
    astray = Schedule.objects.get(name="settled_until is none")
    assert astray.status_at(now) == "broken"


def test_one_job_is_ended_with_its_reason_and_the_others_are_claimed(no_instant: str) -> None:
    first = enqueue()
    ids = jobs_with(no_instant)
    last = enqueue()

    taken = [job.id for job in claim(limit=3)]
    while more := claim(limit=3):
        taken += [job.id for job in more]

    assert {first, last} <= set(taken)
    unclaimed = set(ids) - set(taken)
    assert unclaimed
    assert {state_of(id) for id in unclaimed} == {"failed"}
    told = FinishedJob.objects.get(pk=ids[instants_of(Job).index("run_at")])
    assert told.reason == "What stands in run_at of its row cannot be read, so it was not run."


def test_a_worker_drains_the_queue_all_the_same(crew: Crew, no_instant: str) -> None:
    jobs_with(no_instant)
    good = leave_trace("good")

    crew.work_until_idle()

    assert state_of(good.pk) == "succeeded"


def test_every_page_and_command_works_beside_them(admin_client: Client, no_instant: str) -> None:
    schedules_with(no_instant)
    jobs_with(no_instant)
    now = database_now(ALIAS)
    schedule = Schedule.objects.earliest("pk")
    Occurrence.objects.create(schedule=schedule, scheduled_for=now, outcome="missed", recorded_at=now)
    Leadership.objects.create(started_at=now, renewed_at=now)
    WorkerProcess.objects.create(slots=1, started_at=now, heartbeat_at=now)
    for n, column in enumerate(instants_of(FinishedJob)):
        in_history(900_000 + n)
        put(FinishedJob, 900_000 + n, column, no_instant)
    for model in (Occurrence, Leadership, WorkerProcess):
        for column in instants_of(model):
            put(model, model._default_manager.values_list("pk", flat=True)[0], column, no_instant)

    for page in _pages():
        assert admin_client.get(page).status_code == 200, page
    for command in ("list_schedule", "list_schedule --json", "list_schedule --next 2", "scheduler_doctor"):
        written = StringIO()
        with suppress(SystemExit):
            call_command(*command.split(), stdout=written)
        assert written.getvalue()
    assert len(overview(ALIAS, now, runs=1).schedules) == Schedule.objects.count()


@pytest.mark.parametrize("errors", ["{", "[]", "null", '{"attempt": 1}', "\n", '{"at": "x"}\n'])
def test_errors_that_nobody_can_read_are_shown_as_they_are(admin_client: Client, errors: str) -> None:
    live, over = enqueue(), 900_000
    in_history(over)
    Job.objects.filter(pk=live).update(errors=errors)
    FinishedJob.objects.filter(pk=over).update(errors=errors, state="failed")

    for page in _pages():
        assert admin_client.get(page).status_code == 200, page
    assert all(error["message"] in errors for error in _any(over).error_list)


def _any(id: int) -> JobRecord:
    return FinishedJob.objects.get(pk=id)


def _pages() -> Iterator[str]:
    for model in (Job, FinishedJob, Schedule, Occurrence, Leadership, WorkerProcess):
        listed = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield listed
        for key in model._default_manager.values_list("pk", flat=True):
            yield f"{listed}{key}/change/"
