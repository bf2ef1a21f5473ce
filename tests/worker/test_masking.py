"""What is shown of arguments and errors, case by case: no value that bears a secret's name, and no other is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from time import thread_time
from typing import Any

import pytest
from pytest_django import Settings

from worker import masking, tasks
from worker.masking import MASK
from worker.registry import isolated
from worker.tasks import Task

QUICK = 2.0
"""Seconds of this thread's own time."""


def log_in(user: str, password: str, *tokens: str, pin: str = "") -> None:
    """A task."""


LOG_IN = tasks.register(Task(log_in, "shop.tasks.log_in"))


@pytest.fixture(autouse=True)
def declared_here_is_forgotten() -> Iterator[None]:
    with isolated():
        yield


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2", "password=*"),
        ("PASSWORD = hunter2;Database=x", "PASSWORD = *;Database=x"),
        (r"f(password='it\'s hunter2', x=3)", "f(password=*, x=3)"),
        ("f(password='hunter2", "f(password=*"),
        ('f("eu", api_token="hunter2")', 'f("eu", api_token=*)'),
        ("{'api_key': 'hunter2', 'a': 1}", "{'api_key': *, 'a': 1}"),
        ("{'k': {'password': b'hunter2'}}", "{'k': {'password': *}}"),
        ('{"token": "hunter2"}', '{"token": *}'),
        (r'"{\"token\": \"hunter2\", \"a\": 1}"', r'"{\"token\": *, \"a\": 1}"'),
        ("tokens=['hunter2', ('hunter2')]\nline 2", "tokens=*\nline 2"),
        ("Authorization: Bearer hunter2\nHost: x", "Authorization: *\nHost: x"),
        ("X-Api-Key: hunter2", "X-Api-Key: *"),
        ("dsn='host=h password=hunter2 user=u'", "dsn='host=h password=* user=u'"),
        ("x=password=hunter2", "x=password=*"),
        ("https://u:hunter2@h/p?token=hunter2&x=1", "https://u:*@h/p?token=*&x=1"),
        (
            "DETAIL:  Key (api_token, lower(user))=(hunter2, ann) already exists.",
            "DETAIL:  Key (api_token, lower(user))=(*) already exists.",
        ),
        (
            'null value in column "x"\nDETAIL:  Failing row contains (7, [["ann", "hunter2"]], {"a)": 1}\n{}).\nline 3',
            'null value in column "x"\nDETAIL:  Failing row contains (*).\nline 3',
        ),
    ],
)
def test_a_value_is_hidden_where_its_name_stands_before_it(text: str, shown: str) -> None:
    assert masking.text(text) == shown.replace("*", MASK)


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'user'",
        "if check(api_key): pass",
        "DETAIL:  Key (name)=(ann) already exists.",
        "shop.errors.AuthenticationError: no answer",
        "if key == other: pass",
        "monkey::patch",
        "password=",
        "https://host:8000/a@b",
        'File "shop/tasks.py", line 14, in report\n\tregion="eu"',
    ],
)
def test_what_is_no_secret_is_shown_as_it_is(text: str) -> None:
    assert masking.text(text) == text


def test_what_a_terminal_would_obey_is_shown_as_an_escape() -> None:
    assert masking.text("a\x1b[31m\n\tb\u202e\r\x00\x85") == "a\\x1b[31m\n\tb\\u202e\\r\\x00\\x85"
    assert masking.line("a\nforged é") == "a\\nforged é"


def test_arguments_are_hidden_by_keyword_by_parameter_and_inside_of_others() -> None:
    args = ["ann", "hunter2", "hunter2", "hunter2"]
    kwargs = {"pin": "1", "deep": [{"api_key": {"a": 1}}], "url": "redis://u:hunter2@h", "n": 7}

    assert masking.arguments(LOG_IN.name, args, kwargs) == (
        ["ann", MASK, MASK, MASK],
        {"pin": "1", "deep": [{"api_key": MASK}], "url": f"redis://u:{MASK}@h", "n": 7},
    )


def test_positional_arguments_of_an_unknown_task_are_hidden_since_nobody_knows_what_they_are() -> None:
    assert masking.arguments("gone.tasks.old", ["eu"], {"api_key": "x", "n": 7}) == ([MASK], {"api_key": MASK, "n": 7})


def test_a_positional_argument_for_which_the_task_has_no_parameter_is_hidden() -> None:
    def poll(region: str) -> None: ...

    tasks.register(Task(poll, "shop.tasks.poll"))

    assert masking.arguments("shop.tasks.poll", ["eu", "hunter2"], {}) == (["eu", MASK], {})


def with_tenant(function: Callable[..., None]) -> Callable[..., None]:
    """A decorator that gives the function an argument of its own before those of the call."""

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> None:
        function("tenant", *args, **kwargs)

    return called


def test_behind_a_decorator_that_adds_arguments_no_secret_goes_by_the_name_of_its_neighbour() -> None:
    @with_tenant
    def sign_in(tenant: str, user: str, password: str, note: str = "") -> None: ...

    tasks.register(Task(sign_in, "shop.tasks.sign_in"))

    args, _ = masking.arguments("shop.tasks.sign_in", ["ann", "hunter2"], {})
    assert args[1] == MASK

    args, kwargs = masking.arguments("shop.tasks.sign_in", ["ann"], {"password": "hunter2", "note": "x"})
    assert (args, kwargs) == (["ann"], {"password": MASK, "note": "x"})


def test_behind_a_decorator_that_takes_arguments_of_its_own_secrets_are_found_where_they_then_stand() -> None:
    def sign_in(password: str, user: str, note: str = "") -> None: ...

    @wraps(sign_in)
    def called(region: str, *args: Any, **kwargs: Any) -> None: ...

    @wraps(called)
    def traced(*args: Any, **kwargs: Any) -> None: ...

    for function in (called, traced):
        tasks.register(Task(function, f"shop.tasks.{function}"))
        args, _ = masking.arguments(f"shop.tasks.{function}", ["eu", "hunter2", "ann"], {})
        assert args[1:] == [MASK, "ann"]


def test_behind_a_decorator_that_adds_nothing_the_arguments_go_by_their_own_names() -> None:
    @wraps(log_in)
    def called(*args: Any, **kwargs: Any) -> None: ...

    tasks.register(Task(called, "shop.tasks.traced"))

    args, _ = masking.arguments("shop.tasks.traced", ["ann", "hunter2"], {"pin": "1"})
    assert args == ["ann", MASK]


def test_settings_say_which_names_are_hidden(settings: Settings) -> None:
    settings.SCHEDULER = {"HIDE": ["^pin$"]}

    assert masking.arguments(LOG_IN.name, ["ann", "p"], {"PIN": "1", "pins": 2}) == (
        ["ann", "p"],
        {"PIN": MASK, "pins": 2},
    )
    assert masking.text("password=a pin=1") == f"password=a pin={MASK}"

    settings.SCHEDULER = {"HIDE": []}
    assert masking.text("password=a pin=1") == "password=a pin=1"
    assert masking.text("Failing row contains (1).") == "Failing row contains (1)."
    assert masking.arguments("gone.tasks.old", ["eu"], {}) == (["eu"], {})


STORED = {"user": "ann", "password": "hunter2", "deep": [{"token": "x"}, 7]}


@pytest.mark.parametrize(
    ("entered", "meant"),
    [
        ({"user": "ann", "password": MASK, "deep": [{"token": MASK}, 7]}, STORED),
        ({"user": "bob", "password": MASK}, {"user": "bob", "password": "hunter2"}),
        ({"password": "new"}, {"password": "new"}),
        ({"deep": [{"token": MASK}, 8, None]}, {"deep": [{"token": "x"}, 8, None]}),
        ({"deep": {"token": "y"}}, {"deep": {"token": "y"}}),
        ({}, {}),
    ],
)
def test_what_stands_as_it_was_shown_is_what_is_stored(entered: Any, meant: Any) -> None:
    _, shown = masking.arguments("", [], STORED)

    assert masking.as_entered(entered, shown, STORED) == meant


@pytest.mark.parametrize("entered", [{"other": MASK}, {"user": MASK}, {"deep": [7, {"token": MASK}]}, {"a": [[MASK]]}])
def test_a_mask_in_a_new_place_is_refused(entered: Any) -> None:
    _, shown = masking.arguments("", [], STORED)

    with pytest.raises(ValueError, match="Enter the value itself"):
        masking.as_entered(entered, shown, STORED)


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 10**6, "a." * 10**6, "key" * 10**6, "a " * 10**6, "'" * 10**6, f"key{' ' * 10**6}"),
        *("key=" * 10**5, "key='" * 10**5, "key=(" * 10**5, "://a:" * 10**5, f"://a:{'x' * 10**6}"),
        *(
            "Failing row contains (" * 10**5,
            f"Failing row contains ({').' * 10**5}",
            "Key (" * 10**5,
            "Key (a)=(" * 10**5,
        ),
        *("\\" * 10**6, "key='" + "\\" * 10**6, 'key=\\"' + "\\" * 10**5),
    ],
    ids=lambda text: text[:8],
)
def test_no_text_keeps_us_busy(text: str) -> None:
    begin = thread_time()
    masking.text(text)

    assert thread_time() - begin < QUICK
