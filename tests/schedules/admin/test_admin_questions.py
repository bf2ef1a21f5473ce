"""What may be asked of our lists: nothing but what their filters ask. Else who may only look asks secrets out.

A look-up in a column that is masked tells its secret letter by letter, and so does a search or an order. All columns
of all models are found by introspection, so one that is added is refused until somebody lists it here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import CharField, Field, Model, OrderBy, TextField, Transform
from django.http import HttpRequest, QueryDict
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from schedules.models import Leadership, Occurrence, Schedule
from tests.schedules.admin import admin_rows
from worker.models import FinishedJob, Job, WorkerProcess

pytestmark = pytest.mark.usefixtures("database")

APPS = ("schedules", "worker")
PAGES: list[Any] = [page for model, page in admin.site._registry.items() if model._meta.app_label in APPS]
NEEDLE = "n33dle"

# Of each model: the parameters that its list takes, the columns in which it searches, those by which it is sorted.
OPEN: dict[type[Model], tuple[set[str], set[str], set[str]]] = {
    Job: (
        {"state__exact", "state__isnull", "queue", "task", "schedule_id"},
        {"task", "verbose_name", "creator"},
        {"pk", "run_at"},
    ),
    FinishedJob: (
        {"state__exact", "state__isnull", "queue", "task", "schedule_id"},
        {"task", "verbose_name", "creator"},
        {"pk", "finished_at"},
    ),
    WorkerProcess: (set(), {"name"}, {"pk", "name", "slots"}),
    Schedule: (
        {"status", "queue", "task", "source__exact", "source__isnull"},
        {"name", "task"},
        {"pk", "name", "next_run_at"},
    ),
    Occurrence: ({"outcome__exact", "outcome__isnull", "kind__exact", "kind__isnull", "schedule_id"}, set(), {"pk"}),
    Leadership: (set(), {"leader"}, {"pk"}),
}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.model_name)
each_user = pytest.mark.parametrize("superuser", [False, True], ids=["viewer", "superuser"])


def test_all_our_models_are_tried() -> None:
    models = [model for label in APPS for model in apps.get_app_config(label).get_models()]

    assert set(OPEN) == {model for model in models if "view" in model._meta.default_permissions}
    assert {page.model for page in PAGES} == set(OPEN)


@pytest.mark.once
@each_user
@each_page
def test_a_list_refuses_every_look_up_but_those_of_its_filters_without_a_query(page: Any, superuser: bool) -> None:
    request = _request(_user(superuser=superuser))
    refused = [each for each in _look_ups(page, request) if each not in OPEN[page.model][0]]

    with CaptureQueriesContext(connection) as queries:
        for each in refused:
            request.GET = QueryDict(f"{each}=1")
            with pytest.raises(DisallowedModelAdminLookup):
                page.get_changelist_instance(request)

    assert not queries.captured_queries
    assert f"{page.opts.pk.name}__regex" in refused


@pytest.mark.once
@each_user
@each_page
def test_who_asks_for_a_column_is_told_that_the_request_is_bad(client: Client, page: Any, superuser: bool) -> None:
    client.force_login(_user(superuser=superuser))

    for column in page.opts.concrete_fields:
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(_list_of(page), {f"{column.name}__regex": "^s"})
        assert answer.status_code == 400, column
        assert not [query["sql"] for query in queries if page.opts.db_table in query["sql"]]


@each_page
def test_a_list_answers_what_its_filters_ask(client: Client, page: Any) -> None:
    client.force_login(_user(superuser=False))

    for parameter in OPEN[page.model][0]:
        assert client.get(_list_of(page), {parameter: "1"}).status_code == 200, parameter


@pytest.mark.once
@each_page
def test_an_action_on_all_that_a_look_up_would_find_is_refused(admin_client: Client, page: Any) -> None:
    admin_rows.everything()
    rows = list(page.model._default_manager.order_by("pk").values())

    for action in [*(page.actions or ()), "delete_selected"]:
        posted = {"action": action, "reason": "why", "post": "yes", "_selected_action": [rows[0]["id"]]}
        for whole in ({}, {"select_across": 1, "index": 0}):
            answer = admin_client.post(f"{_list_of(page)}?id__gt=0", {**posted, **whole})
            assert answer.status_code == 400, action

    assert list(page.model._default_manager.order_by("pk").values()) == rows


def test_a_foreign_key_of_yours_may_limit_its_choices(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The popup of a raw id field asks for what `limit_choices_to` says, and for nothing else."""
    monkeypatch.setattr(
        Schedule._meta, "related_fkey_lookups", [{"source": "admin"}, lambda: {"queue__in": ["a", "b"]}]
    )
    page = f"{_list_of(admin.site._registry[Schedule])}?_popup=1"

    assert admin_client.get(f"{page}&source=admin&queue__in=a,b").status_code == 200
    assert admin_client.get(f"{page}&source=api").status_code == 400
    assert admin_client.get(f"{page}&queue__in=a").status_code == 400


@each_page
def test_a_search_finds_by_no_column_but_those_that_are_shown_in_full(page: Any) -> None:
    admin_rows.everything()
    request = _request(_user(superuser=False))

    found = {column.name for column in _texts_of(page.model) if _finds_a_needle_in(column, page, request)}

    assert found == OPEN[page.model][1]


@each_page
def test_a_search_is_no_pattern(page: Any) -> None:
    admin_rows.everything()
    request = _request(_user(superuser=False))

    for pattern in ("%", "_", ".", "[a-z]", "(a+)+$", "s.*t"):
        found, _ = page.get_search_results(request, page.get_queryset(request), f"nowhere{pattern}")
        assert not found.exists(), pattern
        words = str(found.query).upper()
        assert not {word for word in ("REGEXP", "RLIKE", " ~ ", " ~* ", "SIMILAR TO") if word in words}


@pytest.mark.parametrize("term", ["a " * 2000, "a" * 200_000, "9" * 5000, "%" * 5000], ids=lambda term: term[:2])
@each_page
def test_a_search_of_any_length_is_answered(admin_client: Client, page: Any, term: str) -> None:
    admin_rows.everything()

    assert admin_client.get(_list_of(page), {"q": term}).status_code == 200


@pytest.mark.once
@each_page
def test_a_list_is_sorted_by_no_column_but_those_that_are_shown_in_full(page: Any) -> None:
    admin_rows.everything()
    request = _request(_user(superuser=True))

    for place in range(-1, len(page.get_list_display(request)) + 2):
        for order in (f"{place}", f"-{place}", f"{place}.0"):
            request.GET = QueryDict(f"o={order}")
            listed = page.get_changelist_instance(request)
            assert set(map(_column_of, listed.queryset.query.order_by)) <= OPEN[page.model][2], order


@pytest.mark.once
@each_page
def test_a_list_counts_nothing_by_value_and_drills_into_no_dates(admin_client: Client, page: Any) -> None:
    listed = admin_client.get(f"{_list_of(page)}?_facets=True").context["cl"]

    assert not listed.add_facets
    assert page.date_hierarchy is None


@pytest.mark.once
@each_user
@each_page
def test_no_page_refers_to_a_row_by_a_column_but_its_key(client: Client, page: Any, superuser: bool) -> None:
    admin_rows.everything()
    client.force_login(_user(superuser=superuser))
    row = page.model._default_manager.values().first()

    for column in page.opts.concrete_fields:
        if not column.primary_key:
            for address in ("", f"{row['id']}/change/"):
                answer = client.get(f"{_list_of(page)}{address}", {"_to_field": column.name})
                assert answer.status_code == 400, column


def test_a_field_that_completes_what_is_typed_finds_by_names_alone(client: Client) -> None:
    admin_rows.everything()
    client.force_login(_user(superuser=False))
    asked = {"app_label": "schedules", "model_name": "occurrence", "field_name": "schedule", "term": NEEDLE}

    found = set()
    for column in _texts_of(Schedule):
        with _needle_in(column):
            if client.get("/admin/autocomplete/", asked).json()["results"]:
                found.add(column.name)

    assert found == OPEN[Schedule][1]


# What could be asked


def _look_ups(page: Any, request: HttpRequest) -> Iterator[str]:
    """All that a query knows: of each column, of each that the page adds, and of each one relation away."""
    for name, field in {**_columns(page.model), **_added(page, request), **_related(page.model)}.items():
        yield name
        for lookup, kind in field.get_lookups().items():
            yield f"{name}__{lookup}"
            if issubclass(kind, Transform):
                yield from (f"{name}__{lookup}__{ending}" for ending in ("exact", "gt", "in", "regex"))


def _columns(model: type[Model]) -> dict[str, Any]:
    columns: dict[str, Any] = {"pk": model._meta.pk}
    for field in model._meta.concrete_fields:
        columns |= {field.name: field, field.attname: field}
    return columns


def _added(page: Any, request: HttpRequest) -> dict[str, Any]:
    return {name: added.output_field for name, added in page.get_queryset(request).query.annotations.items()}


def _related(model: type[Model]) -> dict[str, Any]:
    relations = [field for field in model._meta.get_fields(include_hidden=True) if field.is_relation]
    return {
        f"{relation.name}__{name}": field
        for relation in relations
        if isinstance(relation.related_model, type)
        for name, field in _columns(relation.related_model).items()
    }


def _texts_of(model: type[Model]) -> list[Field[Any, Any]]:
    return [field for field in model._meta.concrete_fields if isinstance(field, CharField | TextField)]


def _finds_a_needle_in(column: Field[Any, Any], page: Any, request: HttpRequest) -> bool:
    with _needle_in(column):
        found, _ = page.get_search_results(request, page.get_queryset(request), NEEDLE)
        return bool(found.exists())


@contextmanager
def _needle_in(column: Field[Any, Any]) -> Iterator[None]:
    """For a while, in one row."""
    rows = column.model._default_manager
    row = rows.order_by("pk").values("pk", column.attname)[0]
    rows.filter(pk=row["pk"]).update(**{column.attname: NEEDLE})
    yield
    rows.filter(pk=row["pk"]).update(**{column.attname: row[column.attname]})


def _column_of(order: Any) -> str:
    column: Any = order.expression if isinstance(order, OrderBy) else order
    return str(getattr(column, "name", column)).removeprefix("-")


# Who asks, and where


def _user(*, superuser: bool) -> User:
    """A superuser, or somebody who may see all and do nothing."""
    if superuser:
        return User.objects.create_superuser("sue")
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=APPS, codename__startswith="view"))
    return user


def _request(user: User) -> HttpRequest:
    """Of somebody whose permissions are known already."""
    user.get_all_permissions()
    request = RequestFactory().get("/")
    request.user = user
    return request


def _list_of(page: Any) -> str:
    return f"/admin/{page.opts.app_label}/{page.opts.model_name}/"
