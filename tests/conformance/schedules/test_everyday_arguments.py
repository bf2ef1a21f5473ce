"""A task is given the dates, numbers and keys that its call was given; a page and a list show what is stored."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client

from schedules import HOURLY, api, background
from schedules.models import Schedule
from schedules.testing import ManualClock, run_jobs
from tests.conformance.worker.queue.jobs import ALIAS
from worker.api import InvalidArguments
from worker.clock import database_now
from worker.models import FinishedJob, Job

pytestmark = pytest.mark.usefixtures("database")

VALUES: list[Any] = [
    datetime(2026, 7, 2, 3, 0),
    datetime(2026, 7, 2, 3, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1),
    date(2026, 12, 24),
    time(18, 30),
    timedelta(days=-1, microseconds=1),
    UUID(int=7),
    Decimal("19.90"),
    {"$date": "2026-12-24", "within": [date(2026, 12, 24)]},
    {"$date": "2026-12-24"},
]
given: list[tuple[tuple[Any, ...], dict[str, Any]]] = []


@pytest.fixture(autouse=True)
def _nothing_given_yet() -> None:
    given.clear()


@background
def take(*args: Any, **kwargs: Any) -> None:
    given.append((args, kwargs))


def test_a_task_is_given_what_its_call_was_given() -> None:
    job = take(*VALUES, all=VALUES)
    take.enqueue_many([(VALUES, {"all": VALUES})])

    assert (job.args, job.kwargs) == (VALUES, {"all": VALUES})
    run_jobs()

    assert given == 2 * [(tuple(VALUES), {"all": VALUES})]
    assert FinishedJob.objects.get(pk=job.pk).args == VALUES


def test_each_run_of_a_schedule_is_given_what_was_declared() -> None:
    api.schedule(take, name="hourly", repeat=HOURLY, args=VALUES, kwargs={"all": VALUES})
    assert Schedule.objects.get().args == VALUES

    run_jobs(clock=ManualClock(database_now(ALIAS) + timedelta(hours=1)))

    assert given == [(tuple(VALUES), {"all": VALUES})]


def test_equal_calls_with_everyday_values_are_one_schedule() -> None:
    for _ in range(2):
        take(UUID(int=7), until=date(2026, 12, 24), repeat=HOURLY)
    take("00000000-0000-0000-0000-000000000007", until="2026-12-24", repeat=HOURLY)

    assert Schedule.objects.count() == 2


def test_a_call_with_everyday_values_replaces_its_equals() -> None:
    for _ in range(2):
        take(*VALUES, all=VALUES, schedule=60, remove_existing_tasks=True)
    take("2026-12-24", schedule=60)
    take(date(2026, 12, 24), schedule=60, remove_existing_tasks=True)

    assert Job.objects.count() == 3


def test_a_model_is_refused_before_anything_is_written() -> None:
    user = User.objects.create_user("olga")

    with pytest.raises(InvalidArguments, match=r'take\(…\): argument "user" .* Pass user\.pk, and load it in the task'):
        take(user=user)

    assert not Job.objects.exists()


def test_what_is_stored_is_shown_and_edited_as_json(admin_client: Client) -> None:
    api.schedule(take, name="hourly", repeat=HOURLY, args=[date(2026, 12, 24)], kwargs={"price": Decimal("19.90")})
    row = Schedule.objects.get()
    page = f"/admin/schedules/schedule/{row.pk}/change/"

    form = admin_client.get(page).context["adminform"].form
    entered = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    assert json.loads(entered["args"]) == [{"$date": "2026-12-24"}]

    assert admin_client.post(page, entered).status_code == 302
    assert Schedule.objects.get().arguments == row.arguments

    refused = admin_client.post(page, {**entered, "kwargs": '{"price": {"$decimal": "much"}}'})
    assert refused.context["adminform"].form.errors == {
        "kwargs": ['Argument "price": "$decimal" holds \'much\', but must hold a text such as "19.90".']
    }

    admin_client.post(page, {**entered, "args": '[{"$date": "20270101"}]'})
    assert Schedule.objects.get().args == [date(2027, 1, 1)]
