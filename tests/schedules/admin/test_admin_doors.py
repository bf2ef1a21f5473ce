"""Every address and every action of our admin, as the registry has them: each asks who you are and what you may.

A new page or action is covered without a line here, unless its address holds something that `_filled` does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from tests.schedules.admin import admin_rows

pytestmark = pytest.mark.usefixtures("database")

APPS = ("schedules", "worker")
PAGES: list[Any] = [page for model, page in admin.site._registry.items() if model._meta.app_label in APPS]
CONVERTER = re.compile(r"<(?:\w+:)?(\w+)>")


def test_the_registry_has_all_that_there_is_to_show() -> None:
    models = [model for label in APPS for model in apps.get_app_config(label).get_models()]

    assert {page.model for page in PAGES} == {model for model in models if "view" in model._meta.default_permissions}
    assert {address.rpartition("/do/")[2] for address in _addresses() if "/do/" in address} >= {"cancel/", "retry/"}


@pytest.mark.once
def test_a_stranger_is_sent_to_the_login_from_every_address(client: Client) -> None:
    admin_rows.everything()

    with _nothing_changes():
        for address in _addresses():
            for answer in (client.get(address), *(client.post(address, each) for each in _posts(address))):
                assert answer.headers["Location"].startswith("/admin/login/"), address


@pytest.mark.once
def test_a_user_without_permissions_is_refused_at_every_address(client: Client) -> None:
    admin_rows.everything()
    client.force_login(User.objects.create_user("nemo", is_staff=True))

    with _nothing_changes():
        for address in _addresses():
            for answer in (client.get(address, follow=True), *(client.post(address, each) for each in _posts(address))):
                sent_on = answer.headers.get("Location", "").endswith("/change/")  # from where Django has moved it
                assert sent_on or answer.status_code in (403, 405), address


@pytest.mark.once
def test_a_user_who_may_only_look_changes_nothing_by_any_address_or_action(client: Client) -> None:
    admin_rows.everything()
    client.force_login(_viewer())

    with _nothing_changes():
        for address in _addresses():
            for each in _posts(address):
                answer = client.post(address, each)
                assert answer.status_code == 403 or _only_shows(address), address


@pytest.mark.once
def test_a_post_without_a_token_of_the_form_is_refused_at_every_address() -> None:
    admin_rows.everything()
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("sue"))

    with _nothing_changes():
        for address in _addresses():
            for each in _posts(address):
                assert client.post(address, each).status_code == 403, address


def test_looking_changes_nothing_at_any_address(admin_client: Client) -> None:
    admin_rows.everything()

    with _nothing_changes(), CaptureQueriesContext(connection) as queries:
        for address in _addresses():
            answers = [admin_client.get(address), *(admin_client.get(address, each) for each in _posts(address))]
            assert all(answer.status_code == 405 for answer in answers) == ("/do/" in address), address

    assert not [query["sql"] for query in queries if not query["sql"].lstrip().startswith(("SELECT", "(SELECT"))]


@pytest.mark.parametrize(
    ("page", "verb"),
    [(page, verb) for page in PAGES for verb in page.actions or ()],
    ids=lambda each: each if isinstance(each, str) else each.opts.model_name,
)
def test_a_verb_needs_its_own_permission_beside_that_to_look(
    client: Client, settings: Settings, page: Any, verb: str
) -> None:
    """It is done for who has both; that it is done shows what the refusals above are worth."""
    settings.SCHEDULES = {"emails.digest": {"task": "manage:check", "cron": "0 7 * * *"}}
    admin_rows.everything()
    row = next(row for row in page.get_queryset(_request(User())) if verb in page.verbs(row))
    address = f"{_list_of(page)}{row.pk}/do/{verb}/"
    looks, verbs = User.objects.create_user("vera", is_staff=True), User.objects.create_user("bob", is_staff=True)
    looks.user_permissions.set(_permissions(codename__startswith="view"))
    verbs.user_permissions.set(_permissions().exclude(codename__regex="^(view|change)_"))  # who may change may look

    with _nothing_changes():
        for user in (looks, verbs):
            client.force_login(user)
            assert client.post(address, {"reason": "why"}).status_code == 403

    looks.user_permissions.add(*_permissions())
    client.force_login(looks)
    before = _all_rows()
    assert client.post(address, {"reason": "why"}).headers["Location"].endswith(f"/{row.pk}/change/")
    assert _all_rows() != before


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.model_name)
def test_every_action_names_the_permission_that_it_needs(page: Any) -> None:
    for name in _actions(page):
        action = getattr(page, name, None) or admin.site.get_action(name)
        assert getattr(action, "allowed_permissions", ()), name


# Which addresses there are, and what is sent to them


def _addresses() -> Iterator[str]:
    for page in PAGES:
        for pattern in page.get_urls():
            yield from (f"{_list_of(page)}{filled}" for filled in _filled(str(pattern.pattern), page))


def _filled(route: str, page: Any) -> Iterator[str]:
    """The route for two objects, of which one is nobody's but the code's, and for every verb and one that is none."""
    keys = list(page.model._default_manager.order_by("pk").values_list("pk", flat=True)) or [0]
    values = {
        "object_id": [str(key) for key in {keys[0], keys[-1]}],
        "verb": [*(page.actions or ()), "get_urls"],
    }
    names = CONVERTER.findall(route)
    for chosen in product(*(values[name] for name in names)):
        each = dict(zip(names, chosen, strict=True))
        yield CONVERTER.sub(lambda found, each=each: each[found[1]], route)  # type: ignore[misc]


def _posts(address: str) -> list[dict[str, Any]]:
    """To a list every action on all rows and on the last one; elsewhere, to change or delete."""
    page = next(page for page in PAGES if address.startswith(_list_of(page)))
    if not _is_list(address):
        return [{"name": "mine", "reason": "why", "post": "yes"}]
    keys = list(page.model._default_manager.order_by("pk").values_list("pk", flat=True))
    selections: list[dict[str, Any]] = [
        {"_selected_action": keys},
        {"_selected_action": keys[-1:]},
        {"_selected_action": keys, "select_across": 1, "index": 0},
    ]
    return [
        {"action": action, "reason": "why", "post": "yes", **selected}
        for action in _actions(page)
        for selected in selections
    ]


def _actions(page: Any) -> list[str]:
    """Its own, and those that every page of the site has."""
    return [*(page.actions or ()), *(name for name, _ in admin.site.actions)]


def _is_list(address: str) -> bool:
    return any(address == _list_of(page) for page in PAGES)


def _only_shows(address: str) -> bool:
    """A list, a history, or the short address of a page."""
    return _is_list(address) or address.endswith("/history/") or address.removesuffix("/").endswith(tuple("0123456789"))


def _list_of(page: Any) -> str:
    return f"/admin/{page.opts.app_label}/{page.opts.model_name}/"


# Who asks, and what there is


def _viewer() -> User:
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(_permissions(codename__startswith="view"))
    return user


def _permissions(**which: Any) -> Any:
    return Permission.objects.filter(content_type__app_label__in=APPS, **which)


def _request(user: User) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


@contextmanager
def _nothing_changes() -> Iterator[None]:
    before = _all_rows()
    yield
    assert _all_rows() == before
    assert not LogEntry.objects.exists()


def _all_rows() -> dict[str, Any]:
    models = [model for label in APPS for model in apps.get_app_config(label).get_models()]
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}
