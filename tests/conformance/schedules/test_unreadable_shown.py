"""What nobody can read stands in a column of one row: every page and command works, shows it, and names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils.timezone import now as host_now

from schedules.doctor import examine
from schedules.doctor.findings import MODELS, Case
from schedules.models import Leadership, Occurrence, Schedule
from tests.conformance.unreadable import Model, Spoilt, put, spoilt
from tests.conformance.worker.queue.jobs import ALIAS
from tests.schedules.admin import admin_rows
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job, JobRecord, WorkerProcess

COMMANDS = (
    "list_schedule",
    "list_schedule --json",
    "list_schedule --next 2",
    "list_schedule --check",
    "list_schedule --within 24h",
    "list_schedule --failing",
    "list_schedule --paused",
    "list_schedule good",
    "list_schedule good --json",
    "scheduler_doctor",
    "scheduler_doctor --json",
)

ERROR = '{{"attempt": {}, "kind": "E", "message": "m", "traceback": "", "at": "{}"}}\n'
NO_ERRORS = (
    *("{", "[]", "null", '{"attempt": 1}', "\n", '{"at": "x"}\n'),
    ERROR.format('"one"', "2026-07-01T00:00:00+00:00"),
    ERROR.format("1", "2026-07-01T00:00:00"),
    ERROR.format("1", "0001-01-01T00:00:00+00:00"),
    ERROR.format("1", "9999-12-31T23:59:59+00:00"),
)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def spoilt_rows(database: None) -> list[tuple[str, Spoilt]]:
    """A row for each column of each table and each value. Gives the table and what was put there."""
    now = database_now(ALIAS)
    owner = admin_rows.schedule("good", repeat=60)
    made: list[tuple[str, Spoilt]] = []
    tables: dict[Model, Callable[[int], int]] = {
        Schedule: lambda n: admin_rows.schedule(f"spoilt {n}", repeat=60).pk,
        Job: lambda n: admin_rows.job(schedule_id=owner.pk, attempts=1).pk,
        FinishedJob: lambda n: admin_rows.finished(900_000 + n, schedule_id=owner.pk).pk,
        Occurrence: lambda n: line(owner, n, now),
        WorkerProcess: lambda n: WorkerProcess.objects.create(slots=1, started_at=now, heartbeat_at=now).pk,
        Leadership: lambda n: Leadership.objects.create(started_at=now, renewed_at=now).pk,
    }
    for model, make in tables.items():
        for n, each in enumerate(spoilt(model)):
            put(model, make(n), each)
            made.append((model._meta.db_table, each))
    return made


def line(owner: Schedule, n: int, now: datetime) -> int:
    at = now - n * admin_rows.SECOND
    given = {"schedule": owner, "outcome": "enqueued", "recorded_at": now, "job_id": 900_000 + n}
    return Occurrence.objects.create(scheduled_for=at, **given).pk


def test_every_page_works_beside_it(admin_client: Client, spoilt_rows: list[tuple[str, Spoilt]]) -> None:
    for page in pages():
        assert admin_client.get(page).status_code == 200, page


@pytest.mark.usefixtures("spoilt_rows")
def test_every_command_works_beside_it() -> None:
    for command in COMMANDS:
        assert written_by(command), command


def test_the_doctor_names_each_column_with_the_statement_that_mends_it(spoilt_rows: list[tuple[str, Spoilt]]) -> None:
    findings = examine(Case(ALIAS, database_now(ALIAS), host_now)).findings

    named = {(each.facts["table"], each.facts["column"]) for each in findings if each.code == "unreadable-values"}
    assert named == {(table, each.column) for table, each in spoilt_rows}
    assert [each.summary for each in findings if each.code == "unreadable"] == []


def test_the_doctor_finds_nothing_where_all_can_be_read() -> None:
    admin_rows.everything()
    Schedule.objects.filter(name="at the end of time").delete()

    findings = examine(Case(ALIAS, database_now(ALIAS), host_now)).findings

    assert [each.facts for each in findings if each.code == "unreadable-values"] == []


def test_errors_that_nobody_can_read_are_shown_as_they_are(admin_client: Client) -> None:
    for n, errors in enumerate(NO_ERRORS):
        owner = admin_rows.schedule(f"s{n}", repeat=60)
        live = admin_rows.job(schedule_id=owner.pk, attempts=1, errors=errors)
        over = admin_rows.finished(900_000 + n, FinishedState.FAILED, schedule_id=owner.pk, errors=errors)
        told: list[JobRecord] = [Job.objects.get(pk=live.pk), FinishedJob.objects.get(pk=over.pk)]
        assert all(error["message"] in errors for job in told for error in job.error_list)

    for page in pages():
        assert admin_client.get(page).status_code == 200, page
    for command in ("list_schedule", "list_schedule --check", "list_schedule s1", "list_schedule s8 --json"):
        assert written_by(command), command


def written_by(command: str) -> str:
    written = StringIO()
    with suppress(SystemExit):
        call_command(*command.split(), stdout=written)
    return written.getvalue()


def pages() -> Iterator[str]:
    for model in MODELS:
        listed = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield listed
        for key in model._default_manager.values_list("pk", flat=True):
            yield f"{listed}{key}/change/"
