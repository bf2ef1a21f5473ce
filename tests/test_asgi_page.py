"""What "Call tasks from async code" shows, run as it stands there: each view of the page answers a request."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.db import IntegrityError
from django.test import AsyncRequestFactory

from tests.documents import page
from worker.models import Job

PAGE = page("how-to/asgi.md")
SHOP = """
from schedules import background

@background
def welcome(name): ...
"""
SHOWN = [
    *("One call", "With options", "Many calls"),
    *("Together with what you write", "What the database decided", "What happens without it"),
]

pytestmark = [pytest.mark.usefixtures("database", "nothing_declared"), pytest.mark.once]


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch, nothing_declared: None) -> dict[str, Any]:
    """All that the page defines, one block after the other."""
    for name, source in {"shop": "", "shop.tasks": SHOP}.items():
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(source, module.__dict__)
    defined: dict[str, Any] = {}
    for title in SHOWN:
        exec(PAGE.code(title), defined)
    return defined


def post(view: Callable[..., Any], **given: Any) -> str:
    response = asyncio.run(view(AsyncRequestFactory().post("/", given)))
    return str(response.content.decode())


def jobs() -> list[tuple[list[Any], str, str]]:
    return [(job.args, job.state, job.queue) for job in Job.objects.order_by("pk")]


def test_one_call_many_calls_and_options(views: dict[str, Any]) -> None:
    assert post(views["sign_up"], name="ann") == "Welcome!"
    assert post(views["remind"], name="bob") == "Until later!"
    assert post(views["invite"], name=["cid", "dee"]) == "2 will hear of us."

    assert jobs() == [
        (["ann"], "ready", "default"),
        (["bob"], "scheduled", "mail"),
        (["cid"], "ready", "default"),
        (["dee"], "ready", "default"),
    ]


def test_what_is_written_together_is_there_together_or_not_at_all(views: dict[str, Any]) -> None:
    assert post(views["sign_up_for_good"], name="ann") == "Welcome!"
    with pytest.raises(IntegrityError):
        post(views["sign_up_for_good"], name="ann")

    assert list(User.objects.values_list("username", flat=True)) == ["ann"]
    assert [args for args, *_ in jobs()] == [["ann"]]


def test_what_the_database_decided_can_be_awaited(views: dict[str, Any]) -> None:
    assert post(views["when"], name="ann") == Job.objects.get().run_at.isoformat()


def test_a_plain_call_is_refused_with_the_sentence_that_the_page_shows(views: dict[str, Any]) -> None:
    with pytest.raises(SynchronousOnlyOperation) as refused:
        post(views["forgotten"], name="ann")

    assert f"> {refused.value}" in PAGE.section("What happens without it")
    assert not Job.objects.exists()
