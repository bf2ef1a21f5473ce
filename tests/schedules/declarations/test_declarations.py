"""@background and @scheduled at import: what they register, and what they refuse before anything runs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.test import override_settings
from django.utils.module_loading import autodiscover_modules

from schedules import DAILY, background, scheduled
from schedules.declarations import Background, in_code
from schedules.models import Source
from schedules.spec import InvalidSchedule
from worker import tasks
from worker.calls import InvalidCall
from worker.tasks import InvalidTask

pytestmark = pytest.mark.usefixtures("nothing_declared")


def function(number: int = 0) -> int:
    """What it is for."""
    return number


def another() -> None: ...


class Method:
    def method(self) -> None: ...


# What is registered


def test_a_task_is_found_by_its_dotted_path() -> None:
    task = background(function)

    assert tasks.get("tests.schedules.declarations.test_declarations.function") is task.task
    assert task.task.function is function


def test_a_task_looks_like_its_function() -> None:
    task = background(function)

    assert (task.__name__, task.__doc__, task.__wrapped__) == ("function", "What it is for.", function)  # type: ignore[attr-defined]


def with_attributes(function: Callable[..., Any], **attributes: Any) -> Callable[..., Any]:
    vars(function).update(attributes)
    return function


def test_a_function_may_have_attributes_of_its_own_but_they_are_not_the_tasks() -> None:
    names = [name for name in (*vars(background(function)), *vars(Background)) if not name.startswith("__")]

    task = background(with_attributes(another, owner="shop", **dict.fromkeys(names, "mine")))

    assert task.owner == "shop"  # type: ignore[attr-defined]
    assert {"task", "options", "parameters", "shadowed", "now", "enqueue", "using"} <= set(names)
    for name in names:
        assert getattr(task, name) != "mine"
    assert task.now() is None
    assert isinstance(task.using(schedule=5), Background)


def test_a_task_wraps_the_function_that_it_was_made_of_whatever_that_wraps() -> None:
    @functools.wraps(function)
    def inner(number: int = 0) -> int:
        return function(number)

    task = background(name="report")(inner)

    assert task.__wrapped__ is inner  # type: ignore[attr-defined]
    assert vars(task)["__name__"] == "function"
    assert vars(task)["__annotations__"] == function.__annotations__


def test_scheduled_makes_a_task_and_a_schedule() -> None:
    task = scheduled(cron="30 2 * * *", timezone="Europe/Paris", queue="night", max_attempts=1, atomic=True)(another)

    (spec,) = in_code()
    assert (spec.name, spec.task, spec.source) == (task.task.name, task.task.name, Source.CODE)
    assert (spec.cron, spec.timezone, spec.queue, spec.max_attempts) == ("30 2 * * *", "Europe/Paris", "night", 1)
    assert spec.declared_in.startswith("tests/schedules/declarations/test_declarations.py:")
    assert (task.task.queue, task.task.max_attempts, task.task.atomic) == ("night", 1, True)


def test_scheduled_may_stand_above_background_and_several_times() -> None:
    task = scheduled(name="eu", args=["eu"], repeat=DAILY)(
        scheduled(name="us", args=["us"], repeat=DAILY, enabled=False)(background(name="report")(function))
    )

    assert task.task.name == "report"
    assert {(spec.name, spec.arguments, spec.enabled) for spec in in_code()} == {
        ("eu", '[["eu"],{}]', True),
        ("us", '[["us"],{}]', False),
    }


def test_a_module_that_is_imported_again_declares_the_same_again() -> None:
    source = "from schedules import scheduled\n@scheduled(repeat=60)\ndef report(): ...\n"
    for _ in range(2):
        module = ModuleType("shop.tasks")
        exec(compile(source, "shop/tasks.py", "exec"), vars(module))

    assert [spec.name for spec in in_code()] == ["shop.tasks.report"]


# What is refused


@pytest.mark.parametrize(
    "no_task",
    [lambda: None, Method.method, Method().method],
    ids=["lambda", "method", "bound method"],
)
def test_what_a_worker_could_not_find_by_name_is_no_task(no_task: Callable[..., Any]) -> None:
    for decorator in (background, scheduled(repeat=60)):
        with pytest.raises(InvalidTask, match=r"cannot be a task: .* must be a top-level function of a module\."):
            decorator(no_task)


def test_a_function_inside_a_function_is_no_task() -> None:
    def nested() -> None: ...

    with pytest.raises(InvalidTask, match=r"nested.* cannot be a task"):
        background(nested)


async def later() -> None: ...


def numbers() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize("function", [later, numbers])
@pytest.mark.parametrize("decorator", [background, background(name="report"), scheduled(repeat=60)])
def test_a_function_that_a_call_would_not_run_is_no_task(decorator: Callable[..., Any], function: Any) -> None:
    with pytest.raises(
        InvalidTask, match=r"^Task \".+\": it is .+, so a call would not run it: .+ a plain function\.$"
    ):
        decorator(function)

    assert list(tasks.registered()) == []


def test_two_functions_cannot_bear_one_name() -> None:
    background(name="report")(function)

    with pytest.raises(InvalidTask, match=r'"report" is declared twice: by .*\.function and by .*\.another\.'):
        background(name="report")(another)


def test_two_functions_cannot_declare_one_schedule() -> None:
    scheduled(name="nightly", repeat=DAILY)(function)

    with pytest.raises(InvalidSchedule, match=r'The schedule "nightly" is declared twice: in .* Give one of them'):
        scheduled(name="nightly", repeat=DAILY)(another)


def test_one_function_cannot_declare_one_schedule_twice() -> None:
    once = scheduled(cron="0 8 * * *")(function)

    with pytest.raises(InvalidSchedule, match=r"function\" is declared twice: in .* Give one of them another name=…\."):
        scheduled(cron="0 20 * * *")(once)
    assert [spec.cron for spec in in_code()] == ["0 8 * * *"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"schedul": 60}, r'^@background .*function: "schedul" is not an option\. Did you mean "schedule"\?'),
        ({"run_at": 60}, r'"run_at" is not an option'),
        ({"schedule": -1}, r"^@background .*function: schedule is -1, but must be seconds from now"),
        ({"repeat": -5}, r"-5 seconds is not an interval"),
        ({"cron": "61 * * * *"}, r'minute 61 is out of range in "61 \* \* \* \*"'),
        ({"repeat": 60, "timezone": "Mars"}, r'"Mars" is not a time zone'),
        ({"queue": "q" * 101}, r"at most 100 are allowed"),
        ({"priority": 1000}, r"1000 is no priority"),
        ({"max_attempts": 0}, r"max_attempts is 0, but must be a whole number from 1 to 10000"),
        ({"backoff": -1}, r"-1 is no backoff"),
        ({"atomic": "yes"}, r"atomic is 'yes', but must be True or False"),
        ({"name": "n" * 256}, r"its name has 256 characters; at most 255 are allowed"),
        ({"verbose_name": 7}, r"verbose_name is 7, but must be a text"),
    ],
)
def test_options_that_could_not_work_are_refused_at_declaration(options: dict[str, Any], said: str) -> None:
    with pytest.raises((InvalidCall, InvalidSchedule, InvalidTask), match=said):
        background(**options)(function)  # type: ignore[no-untyped-call]

    assert list(tasks.registered()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"^@scheduled .*another: give exactly one of cron, repeat and run_at; found none of them"),
        ({"corn": "* * * * *"}, r'"corn" is not an option\. Did you mean "cron"\?'),
        ({"repeat": 60, "schedule": 5}, r'"schedule" is not an option'),
        ({"repeat": 60, "args": [object()]}, r"argument 1 is <object object .*> \(object\), which is not JSON"),
        ({"repeat": 60, "name": ""}, r"the name '' cannot be used"),
    ],
)
def test_a_schedule_that_could_not_work_is_refused_at_declaration(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSchedule, match=said):
        scheduled(**options)(another)

    assert in_code() == []


# Discovery


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Make a package with such a tasks.py, and give its name."""

    def make(source: str) -> str:
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "__init__.py").touch()
        (tmp_path / "shop" / "tasks.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        return "shop"

    yield make
    for name in ("shop", "shop.tasks"):
        sys.modules.pop(name, None)


def test_the_tasks_of_each_app_are_discovered(app: Callable[[str], str]) -> None:
    name = app("from schedules import background\n@background\ndef report(): ...\n")

    with override_settings(INSTALLED_APPS=["schedules", "worker", name]):
        autodiscover_modules("tasks")

    assert "shop.tasks.report" in {task.name for task in tasks.registered()}


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_module\n", ModuleNotFoundError),
        ("def report(:\n", SyntaxError),
        ("from schedules import background\n@background(repeat=-1)\ndef report(): ...\n", InvalidSchedule),
    ],
    ids=["import", "syntax", "declaration"],
)
def test_an_error_inside_a_tasks_module_is_shown(
    app: Callable[[str], str], source: str, error: type[Exception]
) -> None:
    name = app(source)

    with pytest.raises(error), override_settings(INSTALLED_APPS=["schedules", "worker", name]):
        autodiscover_modules("tasks")
