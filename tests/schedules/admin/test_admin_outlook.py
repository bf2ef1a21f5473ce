"""When a schedule runs next and how its last run ended: the admin and the command line give one answer."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from schedules import changes
from schedules.models import Occurrence
from tests.schedules.admin import admin_rows
from tests.schedules.admin.admin_rows import ALIAS, HOUR, SECOND
from worker.clock import database_now
from worker.models import FinishedState, JobState
from worker.outcomes import Error

pytestmark = pytest.mark.usefixtures("database")

PAGE = "/admin/schedules/schedule/"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("olga"))
    return client


@pytest.fixture
def now() -> datetime:
    return database_now(ALIAS)


def odd_rows(now: datetime) -> None:
    """Schedules in every state in which it is not plain when they run next, or how the last run ended."""
    overdue = {"next_run_at": now - 90 * MINUTE, "settled_until": now - 91 * MINUTE, "anchor": now - 91 * MINUTE}
    admin_rows.schedule("overdue", repeat=60, columns=overdue)
    admin_rows.schedule("overdue, none runs", repeat=3600, catch_up="none", columns=overdue)
    admin_rows.schedule("excluded", cron="0 12 * * *", exclude=[(now + timedelta(days=1)).date()])
    changes.pause(admin_rows.schedule("paused"), ALIAS, reason="vendor outage", now=now)
    until = now.replace(microsecond=0) + 5 * HOUR
    changes.pause(admin_rows.schedule("paused until", repeat=600), ALIAS, reason="why", until=until, now=now)
    columns = {"timezone": "Mars/Olympus", "next_run_at": None, "broken": "InvalidRecurrence: no zone Mars/Olympus"}
    admin_rows.schedule("broken", columns=columns)
    admin_rows.schedule("unreadable", columns={"timezone": "Mars/Olympus"})
    admin_rows.schedule("ended", run_at=now + HOUR, columns={"next_run_at": None})
    admin_rows.schedule("retired", columns={"next_run_at": None, "retired_at": now})
    admin_rows.schedule("ahead", repeat=60, columns={"settled_until": now + HOUR, "next_run_at": now + HOUR + MINUTE})
    of: dict[str, Any] = {"schedule_id": admin_rows.schedule("running").pk, "scheduled_for": now - HOUR}
    admin_rows.finished(910_001, **of)
    admin_rows.job(JobState.RUNNING, id=910_002, lane=f"schedule:{of['schedule_id']}", claimed_at=now - SECOND, **of)
    of = {"schedule_id": admin_rows.schedule("retrying").pk, "scheduled_for": now - HOUR}
    errors = f"{Error(1, 'TimeoutError', 'no answer', '', now - MINUTE).as_line()}\n"
    lane = f"schedule:{of['schedule_id']}"
    admin_rows.job(JobState.SCHEDULED, lane=lane, run_at=now + HOUR, attempts=1, errors=errors, **of)
    failed = admin_rows.schedule("failed")
    admin_rows.finished(910_003, FinishedState.FAILED, reason="ValueError: no", schedule_id=failed.pk)
    missed = admin_rows.schedule("missed")
    what = {"outcome": "missed", "reason": "overdue by more than 60 s", "recorded_at": now}
    Occurrence.objects.create(schedule=missed, scheduled_for=now - HOUR, **what)


def test_the_admin_and_the_command_line_say_the_same_of_odd_rows(operator: Client, now: datetime) -> None:
    odd_rows(now)

    told = {each["name"]: each for each in listed()}
    shown = {row.name: row.shown for row in operator.get(PAGE).context["cl"].result_list}

    assert len(told) == len(shown) == 14
    assert {name: (*_next(told[name]), *_last(told[name])) for name in told} == {
        name: (
            each.status,
            _iso(each.next_run_at),
            each.last_run and _iso(each.last_run.at),
            each.last_run and each.last_run.outcome,
        )
        for name, each in shown.items()
    }


def test_the_page_of_a_schedule_has_the_runs_that_the_command_line_has(operator: Client, now: datetime) -> None:
    odd_rows(now)

    for told in listed():
        runs = operator.get(f"{PAGE}{told['id']}/change/").context["outlook"]
        planned = [run.iso for run in runs if not run.note.startswith("Excluded")]
        assert [_utc(each) for each in planned] == told["upcoming"], told["name"]


def test_the_odd_rows_are_as_odd_as_they_are_meant_to_be(now: datetime) -> None:
    odd_rows(now)

    told = {each["name"]: each for each in listed()}

    outcomes = {name: each["last_outcome"] for name, each in told.items() if each["last_outcome"]}
    assert outcomes == {"running": "running", "retrying": "retrying", "failed": "failed", "missed": "missed"}
    without = {name for name, each in told.items() if each["next_run_at"] is None}
    assert without == {"paused", "broken", "unreadable", "ended", "retired"}


def test_a_schedule_that_is_paused_until_an_instant_shows_the_runs_after_it(operator: Client, now: datetime) -> None:
    row = admin_rows.schedule("hourly", cron="0 * * * *")
    until = (now + 3 * HOUR).replace(minute=0, second=0, microsecond=0)
    changes.pause(row, ALIAS, reason="vendor outage", until=until, now=now)

    page = operator.get(f"{PAGE}{row.pk}/change/")

    assert [_utc(run.iso) for run in page.context["outlook"]] == [_iso(until + n * HOUR) for n in range(6)]
    assert "Nothing is planned" not in page.content.decode()


def test_of_runs_that_are_overdue_the_page_shows_the_one_that_catch_up_will_run(
    operator: Client, now: datetime
) -> None:
    minute = now.replace(second=0, microsecond=0)
    overdue = {"next_run_at": minute - 90 * MINUTE, "settled_until": minute - 91 * MINUTE}
    row = admin_rows.schedule("minutely", cron="* * * * *", columns=overdue)

    page = operator.get(f"{PAGE}{row.pk}/change/")

    first, *later = [datetime.fromisoformat(run.iso) for run in page.context["outlook"]]
    assert timedelta() <= database_now(ALIAS) - first < 2 * MINUTE
    assert later == [first + n * MINUTE for n in range(1, 6)]
    assert "late by 1\xa0hour, 30\xa0minutes" in page.content.decode()


def listed() -> list[dict[str, Any]]:
    out = StringIO()
    call_command("list_schedule", "--json", stdout=out)
    schedules: list[dict[str, Any]] = json.loads(out.getvalue())["schedules"]
    return [each for each in schedules if each["id"] is not None]


def _next(told: dict[str, Any]) -> tuple[Any, Any]:
    return told["status"], told["next_run_at"]


def _last(told: dict[str, Any]) -> tuple[Any, Any]:
    return told["last_run_at"], told["last_outcome"]


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _utc(text: str) -> str | None:
    return _iso(datetime.fromisoformat(text).astimezone(tz=database_now(ALIAS).tzinfo))
