"""`settings.SCHEDULES`: each key, and a sentence for each mistake; one wrong entry spoils no other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings

from schedules import scheduled
from schedules.declarations.configured import Configured, in_settings
from schedules.declarations.sync import declared
from schedules.models import Source
from tests.schedules.recurrence.moments import at
from worker import tasks
from worker.calls import Start

calls: list[tuple[Any, Any]] = []


def report(*args: Any, **kwargs: Any) -> None:
    calls.append((args, kwargs))


async def later() -> None: ...


class Report:
    """Not a function, but importable."""


not_callable = 7
TASK = f"{__name__}.report"


@pytest.fixture(autouse=True)
def nothing_called(nothing_declared: None) -> None:
    calls.clear()


def configured(**entries: Any) -> Configured:
    with override_settings(SCHEDULES=entries):
        return in_settings()


# What an entry may have


def test_an_entry_with_everything() -> None:
    found = configured(
        nightly={
            "task": TASK,
            "cron": "30 2 * * *",
            "timezone": "Europe/Paris",
            "args": ["eu"],
            "kwargs": {"deep": True},
            "queue": "night",
            "priority": -5,
            "enabled": False,
            "catch_up": "all",
            "overlap": "queue_one",
            "exclude": ["2026-12-25"],
            "jitter": timedelta(minutes=5),
        }
    )

    assert found.problems == []
    (spec,) = found.specs
    assert (spec.name, spec.task, spec.source, spec.declared_in) == (
        "nightly",
        TASK,
        Source.SETTINGS,
        'settings.SCHEDULES["nightly"]',
    )
    assert (spec.cron, spec.timezone, spec.arguments) == ("30 2 * * *", "Europe/Paris", '[["eu"],{"deep":true}]')
    assert (spec.queue, spec.priority, spec.enabled) == ("night", -5, False)
    assert (spec.policies.catch_up, spec.policies.overlap, spec.policies.jitter) == ("all", "queue_one", 300)


@pytest.mark.parametrize(
    ("recurrence", "kept"),
    [
        ({"cron": "@daily"}, ("@daily", "", None)),
        ({"repeat": 300}, ("", "300", None)),
        ({"repeat": timedelta(minutes=5)}, ("", "300", None)),
        ({"repeat": "1 month"}, ("", "1 month", None)),
        ({"run_at": at("12:00")}, ("", "", at("12:00"))),
    ],
)
def test_each_recurrence(recurrence: dict[str, Any], kept: tuple[Any, ...]) -> None:
    (spec,) = configured(s={"task": TASK, **recurrence}).specs

    assert (spec.cron, spec.repeat, spec.run_at) == kept


def test_a_first_run_is_heeded() -> None:
    (spec,) = configured(s={"task": TASK, "repeat": 60, "first_run": "2026-07-01 10:00"}).specs

    assert spec.start == Start(at=at("10:00"))


def test_without_the_setting_nothing_is_declared() -> None:
    assert in_settings() == Configured()


# What a task may be


def test_naming_a_function_registers_it() -> None:
    configured(s={"task": TASK, "repeat": 60})

    tasks.get(TASK).function("eu")

    assert calls == [(("eu",), {})]


def test_a_management_command_is_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    (spec,) = configured(s={"task": "manage:check", "repeat": 60, "kwargs": {"list_tags": True}}).specs

    tasks.get("manage:check").function(list_tags=True)

    assert spec.task == "manage:check"
    assert "models" in capsys.readouterr().out


def test_two_entries_may_name_one_task() -> None:
    for task in (TASK, "manage:clearsessions"):
        found = configured(one={"task": task, "repeat": 60}, other={"task": task, "repeat": 120})

        assert [spec.task for spec in found.specs] == [task, task]


# What is wrong


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("report", 'SCHEDULES["s"] is a str, but must be a dictionary.'),
        ({"repeat": 60}, 'SCHEDULES["s"]: task is None, but must be a dotted path such as "shop.tasks.report".'),
        ({"task": 7, "repeat": 60}, 'SCHEDULES["s"]: task is 7, but must be a dotted path'),
        ({"task": TASK, "shedule": 60}, 'SCHEDULES["s"]: "shedule" is not an option.'),
        ({"task": TASK, "crom": "* * * * *"}, '"crom" is not an option. Did you mean "cron"?'),
        ({"task": TASK, 7: 60}, '"7" is not an option.'),
        ({"task": TASK}, 'SCHEDULES["s"]: give exactly one of cron, repeat and run_at; found none of them.'),
        ({"task": TASK, "cron": "75 1 * * *"}, 'SCHEDULES["s"]: minute 75 is out of range in "75 1 * * *"'),
        ({"task": TASK, "repeat": 60, "enabled": 1}, "enabled is 1, but must be True or False."),
        ({"task": TASK, "repeat": 60, "args": "eu"}, 'SCHEDULES["s"]: '),
        ({"task": TASK, "repeat": 60, "kwargs": ["eu"]}, 'SCHEDULES["s"]: '),
        ({"task": f"{TASK}s", "repeat": 60}, f'has no function "reports". Did you mean "{TASK}"?'),
        ({"task": f"{__name__}.not_callable", "repeat": 60}, 'has no function "not_callable".'),
        ({"task": "no_such_module.report", "repeat": 60}, "cannot be imported (No module named 'no_such_module')."),
        ({"task": ".report", "repeat": 60}, 'task ".report" cannot be imported (it is no dotted path).'),
        (
            {"task": f"{__name__}.later", "repeat": 60},
            f'SCHEDULES["s"]: Task "{__name__}.later": it is an async function, so a call would not run it: ',
        ),
        (
            {"task": "manage:clearsession", "repeat": 60},
            'SCHEDULES["s"]: there is no management command "clearsession". Did you mean "manage:clearsessions"?',
        ),
    ],
    ids=str,
)
def test_a_wrong_entry_is_a_problem_that_names_its_place_and_spoils_no_other(entry: Any, said: str) -> None:
    found = configured(s=entry, good={"task": TASK, "repeat": 60})

    (problem,) = found.problems
    assert problem.startswith('SCHEDULES["s"]')
    assert said in problem
    assert [spec.name for spec in found.specs] == ["good"]


@override_settings(SCHEDULES=["nightly"])
def test_a_setting_that_is_no_dictionary_is_a_problem() -> None:
    assert in_settings().problems == ["SCHEDULES is a list, but must be a dictionary of schedules."]


# Together with the code


def test_a_name_that_code_declares_too_belongs_to_the_settings() -> None:
    scheduled(name="nightly", repeat=60)(report)

    with override_settings(SCHEDULES={"nightly": {"task": TASK, "repeat": 120}}):
        assert [spec.repeat for spec in declared()] == ["120"]
