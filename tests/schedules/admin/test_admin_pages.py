"""Every page of the admin: all rows are shown without secrets, and lists stay cheap."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext, override_settings

from schedules.models import Leadership, Occurrence, Schedule
from schedules.overview.problems import KINDS
from tests.schedules.admin import admin_rows
from worker.models import FinishedJob, Job, WorkerProcess

pytestmark = pytest.mark.usefixtures("database")

MODELS: list[type[Model]] = [Schedule, Occurrence, Leadership, Job, FinishedJob, WorkerProcess]
MOST_QUERIES = 8
MOST_OF_ATTENTION = len(KINDS) + 2
"""The list of schedules begins with what needs attention."""


@pytest.fixture
def viewer(client: Client) -> Client:
    """Somebody who may see all and do nothing."""
    user = User.objects.create_user("vera", is_staff=True)
    labels = ["schedules", "worker"]
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label__in=labels, codename__startswith="view")
    )
    client.force_login(user)
    return client


@pytest.mark.parametrize("superuser", [True, False], ids=["superuser", "viewer"])
def test_every_page_shows_rows_in_every_state(client: Client, viewer: Client, superuser: bool) -> None:
    admin_rows.everything()
    if superuser:
        client.force_login(User.objects.create_superuser("sue"))

    for page in _pages():
        answer = client.get(page)
        text = answer.content.decode()
        assert answer.status_code == 200, page
        assert admin_rows.HOSTILE not in text, page
        assert "hunter2" not in text, page


@pytest.mark.once
def test_no_page_needs_inline_styles_or_scripts(admin_client: Client) -> None:
    admin_rows.everything()

    for page in [*_pages(), "/admin/schedules/schedule/add/"]:
        text = admin_client.get(page).content.decode()
        assert not re.search(r"<[^>]*\s(style|on[a-z]+)=", text), page
        assert "<style" not in text, page
        assert all("src=" in tag or "json" in tag for tag in re.findall(r"<script[^>]*>", text)), page


@pytest.mark.once
def test_a_user_who_may_only_look_is_offered_nothing(viewer: Client) -> None:
    admin_rows.everything()

    for page in _pages():
        text = viewer.get(page).content.decode()
        assert "/do/" not in text, page
        assert 'name="action"' not in text, page


def test_a_page_has_a_button_for_each_verb_that_applies_to_its_row(admin_client: Client) -> None:
    schedule, job, finished = admin_rows.schedule("nightly"), admin_rows.job(), admin_rows.finished(10**6)

    def verbs(page: str) -> set[str]:
        return set(re.findall(r"/do/(\w+)/", admin_client.get(f"/admin/{page}/change/").content.decode()))

    assert verbs(f"schedules/schedule/{schedule.pk}") == {"run_now", "pause"}
    assert verbs(f"worker/job/{job.pk}") == {"cancel"}
    assert verbs(f"worker/finishedjob/{finished.pk}") == {"retry"}


@pytest.mark.parametrize("count", [0, 1, 10_000])
def test_a_list_costs_the_same_whatever_its_length(viewer: Client, count: int) -> None:
    row = admin_rows.schedule("nightly")
    if count:
        _fill(Job, admin_rows.job(schedule_id=row.pk), count)
        _fill(FinishedJob, admin_rows.finished(10**6, schedule_id=row.pk), count)
        assert (Job.objects.count(), FinishedJob.objects.count()) == (count, count)

    for model in MODELS:
        with CaptureQueriesContext(connection) as queries:
            assert viewer.get(_list(model)).status_code == 200
        most = MOST_QUERIES + (MOST_OF_ATTENTION if model is Schedule else 0)
        assert len(queries) <= most, (model, [query["sql"][:100] for query in queries])


def test_rows_are_read_from_the_alias_that_holds_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES, "elsewhere", settings.DATABASES["default"])
    request = RequestFactory().get("/")

    with override_settings(SCHEDULER={"DATABASE": "elsewhere"}):
        aliases = {admin.site.get_model_admin(model).get_queryset(request).db for model in MODELS}

    assert aliases == {"elsewhere"}


def _list(model: type[Model]) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def _pages() -> Iterator[str]:
    for model in MODELS:
        yield _list(model)
        for key in model._default_manager.values_list("pk", flat=True):
            yield f"{_list(model)}{key}/change/"
            yield f"{_list(model)}{key}/history/"


def _fill(model: type[Job | FinishedJob], like: Job | FinishedJob, count: int) -> None:
    """So many rows like that one, which is among them. Each statement doubles what there is."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    table = connection.ops.quote_name(model._meta.db_table)
    there = 1
    with connection.cursor() as cursor:
        while there < count:
            copied = min(there, count - there)
            cursor.execute(
                f"INSERT INTO {table} (id, {columns}) SELECT id + %s, {columns} FROM {table} WHERE id < %s",
                [there, like.pk + copied],
            )
            there += copied
