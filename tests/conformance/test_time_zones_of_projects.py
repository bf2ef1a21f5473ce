"""Whatever a project says of time zones, jobs and schedules run at instants: aware, in UTC, and never ambiguous."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.db.models import Max, Min
from django.test import Client
from pytest_django import Settings

from schedules.leader.glance import glance
from schedules.models import Schedule
from schedules.overview import Selection, overview
from tests.app.tasks import nothing
from tests.conformance.worker.queue.jobs import claim
from tests.processes import StartProcess
from tests.schedules.admin import admin_rows
from worker import queue
from worker.clock import database_now
from worker.models import FinishedJob, Job

pytestmark = pytest.mark.usefixtures("database")

ALIAS = "default"
FIRST_TIME = datetime(2030, 10, 27, 0, 30, tzinfo=UTC)
"""Half past three by the clock of Riga, which shows it again an hour later."""
SECOND_TIME = FIRST_TIME + timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def naive(settings: Settings) -> None:
    """Django gives and takes instants without a zone, by the clock of the project."""
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Riga"


@pytest.fixture
def elsewhere() -> Iterator[None]:
    """A database whose zone the project sets: https://docs.djangoproject.com/en/stable/ref/settings/#time-zone."""
    connections[ALIAS].settings_dict["TIME_ZONE"] = "Asia/Tokyo"
    _forget_the_zone()
    yield
    connections[ALIAS].settings_dict["TIME_ZONE"] = None
    _forget_the_zone()


def _forget_the_zone() -> None:
    for name in ("timezone", "timezone_name"):
        vars(connections[ALIAS]).pop(name, None)
    connections[ALIAS].close()


@pytest.mark.usefixtures("naive")
def test_an_hour_that_the_clock_repeats_is_two_hours() -> None:
    for at in (FIRST_TIME, SECOND_TIME):
        nothing(0, schedule=at)

    assert list(Job.objects.order_by("run_at").values_list("run_at", flat=True)) == [FIRST_TIME, SECOND_TIME]
    assert [job.run_at for job in Job.objects.filter(run_at__gt=FIRST_TIME)] == [SECOND_TIME]
    ends = Job.objects.aggregate(first=Min("run_at"), last=Max("run_at"))
    assert ends == {"first": FIRST_TIME, "last": SECOND_TIME}
    assert glance(ALIAS)[1] == FIRST_TIME
    assert queue.promote(ALIAS, now=FIRST_TIME + SECOND) == 1
    assert [job.run_at for job in claim(2)] == [FIRST_TIME]


@pytest.mark.usefixtures("naive")
def test_a_reading_without_a_zone_is_by_the_clock_of_the_project() -> None:
    nothing(0, schedule=SECOND_TIME)

    shown = datetime(2030, 10, 27, 4, 0)
    assert not Job.objects.filter(run_at__gt=shown).exists()
    assert Job.objects.filter(run_at__lt=shown).exists()


@pytest.mark.usefixtures("elsewhere")
def test_a_database_in_another_zone_dates_work_alike() -> None:
    nothing(0)
    nothing(1, schedule=60)
    now = database_now(ALIAS)

    assert all(abs(job.run_at - now) < timedelta(minutes=2) for job in Job.objects.all())
    assert [abs(job.run_at - now) < timedelta(minutes=1) for job in claim(2)] == [True]
    assert Job.objects.filter(run_at__gt=now + 10 * SECOND).count() == 1


@pytest.mark.usefixtures("naive")
def test_the_overview_and_the_admin_show_what_a_project_without_zones_has(client: Client) -> None:
    client.force_login(User.objects.create_superuser("olga"))
    row = admin_rows.schedule("nightly")
    admin_rows.finished(910_001, schedule_id=row.pk)
    nothing(0, schedule=60)

    shown = overview(ALIAS, database_now(ALIAS), 1, Selection())
    assert ([each.name for each in shown.schedules], len(shown.jobs)) == ([row.name], 1)
    assert {each.code for each in shown.problems} == {"no-leader"}
    for page in ("schedules/schedule/", f"schedules/schedule/{row.pk}/change/", "worker/job/", "worker/finishedjob/"):
        assert client.get(f"/admin/{page}").status_code == 200


@pytest.mark.usefixtures("naive")
def test_a_pause_ends_by_the_clock_of_a_project_without_zones(client: Client) -> None:
    client.force_login(User.objects.create_superuser("olga"))
    row = admin_rows.schedule("nightly")

    client.post(f"/admin/schedules/schedule/{row.pk}/do/pause/", {"reason": "why", "until": "2030-07-01T12:00"})

    assert Schedule.objects.get(pk=row.pk).paused_until == datetime(2030, 7, 1, 9, tzinfo=UTC)


def test_a_project_without_zones_has_every_command(process: StartProcess) -> None:
    nothing(7)

    for command in (
        ("check", "--fail-level", "WARNING"),
        ("process_tasks", "--leader", "--until-idle"),
        ("list_schedule",),
        ("list_schedule", "--cron", "30 3 * * *"),
        ("scheduler_doctor", "--fail-level", "error"),
    ):
        told = process(*command, environment={"DJANGO_SETTINGS_MODULE": "tests.naive_settings"})
        assert told.wait(within=30) == 0, told.output
        assert "Traceback" not in told.output

    assert FinishedJob.objects.get().state == "succeeded"
