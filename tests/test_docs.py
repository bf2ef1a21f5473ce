"""The documentation against the code, both ways: all that there is is named, and nothing is named that is not.

It holds names, defaults, signatures and links; whether the prose is true is the business of the other tests.
"""

from __future__ import annotations

import ast
import inspect
import re
from argparse import SUPPRESS
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import timedelta
from functools import reduce
from pkgutil import resolve_name
from types import ModuleType
from typing import Any, get_args, get_overloads

import pytest
from django.core.management import BaseCommand, load_command_class
from django.dispatch import Signal

import schedules
import schedules.signals
import worker.api
import worker.signals
from schedules import api, background, recurrence, scheduled, testing
from schedules.declarations import Background
from schedules.declarations.background import CALL_OPTIONS
from schedules.declarations.configured import KEYS
from schedules.declarations.option_types import TaskOptions
from schedules.models import Schedule
from schedules.planning.due import Ledgered
from schedules.planning.policies import CatchUp, Overlap, Policies
from schedules.recurrence.clock_changes import GapRule, OverlapRule
from tests.documents import CHECK_ID, DOCS, ROOT, Page, Table, code_in, literal, names_in, page, pages
from worker import outcomes, raised
from worker.models import FinishedState, JobState
from worker.options import Options
from worker.tasks import RUN_OPTIONS

FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
FILE = re.compile(r"(?:schedules|worker|tests|docs|manage_example)/[\w./-]*")
TEST = re.compile(r"\[`(test_\w+)`\]\(\.\./\.\./(tests/[\w/]+\.py)\)")

DOORS: dict[str, Any] = {
    "Handle": api.Handle,
    "JobHandle": worker.api.JobHandle,
    "CurrentJob": worker.CurrentJob,
    "worker": worker,
    "schedule": api.schedule,
    "schedule_many": api.schedule_many,
    "get": api.get,
    "Background": Background,
    # As every exception, it takes its message.
    "Cancel": lambda reason: raised.Cancel(reason),
    "Fail": lambda reason: raised.Fail(reason),
    "Snooze": raised.Snooze,
    "Retry": raised.Retry,
    "current_job": worker.current_job,
    "JobFilter": lambda: worker.JobFilter(),
    **{name: getattr(testing, name) for name in testing.__all__},
    **{name: getattr(recurrence, name) for name in recurrence.__all__},
}
"""Where the signatures in headings begin."""

COMMANDS = sorted(path.stem for path in (ROOT / "schedules" / "management" / "commands").glob("[a-z]*.py"))
INTERNAL = {"check_options"}
"""Methods that one module of ours calls in another."""

SIGNATURES = [
    heading.strip("`")
    for path in ("reference/api.md", "reference/decorators.md")
    for heading in page(path).headings
    if re.fullmatch(r"`.+`", heading)
]


# Pages


@pytest.mark.parametrize("each", pages(), ids=str)
def test_every_relative_link_leads_somewhere(each: Page) -> None:
    for target in each.links:
        path, _, anchor = target.partition("#")
        place = (each.path.parent / path).resolve() if path else each.path
        assert place.exists(), target
        assert not anchor or anchor in Page(place).anchors, target


@pytest.mark.parametrize("each", pages(), ids=str)
def test_every_name_and_file_of_ours_that_is_named_exists(each: Page) -> None:
    for name in set(names_in(each.text)) - _loggers():
        resolve_name(name)
    for code in code_in(each.prose):
        if FILE.fullmatch(code):
            assert (ROOT / code).exists(), code


def test_the_index_leads_to_every_page() -> None:
    index = page("README.md")
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in index.links}
    assert {each.path for each in pages() if each.path.is_relative_to(DOCS)} - {index.path} <= linked


def test_the_guarantees_name_tests_that_exist() -> None:
    guarantees = page("explanation/guarantees.md").text
    named = TEST.findall(guarantees)
    assert len(named) == guarantees.count("`test_") > 0
    for name, path in named:
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"


def test_the_contents_of_the_guarantees_are_its_headings_in_their_order() -> None:
    guarantees = page("explanation/guarantees.md")
    listed = re.findall(r"- \**\[(.+?)\]\(#", guarantees.section("Contents"))
    assert listed == [heading for heading in guarantees.headings if heading not in ("Guarantees", "Contents")]


# Settings


def test_every_option_of_scheduler_is_documented_with_its_default_and_unit() -> None:
    documented = page("reference/settings.md").table("Option")
    assert {name: literal(default) for name, (default, *_) in documented.items()} == _defaults(Options)
    for name, default in _defaults(Options).items():
        unit = documented[name][1]
        assert (unit == "seconds") == isinstance(default, float), name
        assert (unit == "timedelta") == isinstance(default, timedelta), name


def test_every_key_of_schedules_is_documented_with_its_default() -> None:
    documented = page("reference/settings.md").table("Key")
    assert documented.keys() == set(KEYS)
    defaults = _column_defaults() | _parameter_defaults(scheduled) | _defaults(Policies)
    defaults |= {"queue": "default", "kwargs": {}, "first_run": None, **dict.fromkeys(RUN_OPTIONS)}
    for name, (default, *_) in documented.items():
        if name not in ("task", "timezone"):
            assert literal(default) == defaults[name], name


# Decorators


def test_every_option_of_a_call_is_documented() -> None:
    assert _names(page("reference/decorators.md").table("Option", "Options of a call")) == set(CALL_OPTIONS)


def test_every_option_of_a_decorator_is_documented_with_its_default() -> None:
    decorators = page("reference/decorators.md")
    with_options = get_overloads(background)[1]
    of_background = set(inspect.signature(with_options).parameters) - {"options"} | set(TaskOptions.__annotations__)
    assert _names(decorators.table("Option", "@background")) == of_background - set(CALL_OPTIONS)
    of_scheduled = {name: default for name, (default, *_) in decorators.table("Option", "@scheduled").items()}
    defaults = _parameter_defaults(scheduled)
    assert of_scheduled.keys() == defaults.keys()
    assert {name: literal(of_scheduled[name]) for name in defaults if name != "name"} == {
        name: default for name, default in defaults.items() if name != "name"
    }


def test_every_constant_of_the_public_door_is_documented() -> None:
    documented = page("reference/decorators.md").table("Constant")
    constants = {name: literal(value) for name, (value, *_) in documented.items()}
    assert constants == {
        name: getattr(schedules, name) for name in schedules.__all__ if name not in ("background", "scheduled")
    }


# API


@pytest.mark.parametrize("heading", SIGNATURES)
def test_a_documented_signature_is_that_of_the_code(heading: str) -> None:
    name, parenthesis, _ = heading.partition("(")
    if parenthesis:
        assert _written(heading) == _parameters(_found(name))
    else:
        assert isinstance(_found(name), property)


def test_every_public_function_class_and_method_is_documented() -> None:
    headings = {heading.partition("(")[0] for heading in SIGNATURES}
    for kind in (api.Handle, Background, recurrence.Recurrence, testing.ManualClock):
        assert {f"{kind.__name__}.{name}" for name in _public(kind)} <= headings
    prose = "".join(page(path).prose for path in ("reference/api.md", "reference/decorators.md"))
    for name in (*DOORS, *schedules.__all__):
        assert re.search(rf"`@?{name}\b", prose), name


def test_every_state_of_a_job_is_documented() -> None:
    states = list(page("explanation/how-it-works.md").table("State", "The states of a job"))
    assert states == [*JobState.values, *FinishedState.values]


# Policies


def test_every_policy_is_documented_with_its_default() -> None:
    written = re.findall(r"^### `(\w+)`\n\nDefault (`.+?`)", page("reference/policies.md").text, re.MULTILINE)
    clock = {name: _column_defaults()[name] for name in ("dst_gap", "dst_overlap")}
    assert {name: literal(default) for name, default in written} == _defaults(Policies) | clock


@pytest.mark.parametrize(
    ("policy", "values"),
    [
        ("catch_up", tuple(CatchUp)),
        ("overlap", tuple(Overlap)),
        ("dst_gap", get_args(GapRule)),
        ("dst_overlap", get_args(OverlapRule)),
    ],
)
def test_every_value_of_a_policy_is_documented(policy: str, values: tuple[str, ...]) -> None:
    documented = page("reference/policies.md").table("Value", f"`{policy}`")
    assert tuple(map(literal, documented)) == values


def test_every_outcome_in_the_ledger_is_documented() -> None:
    assert list(page("reference/policies.md").table("Outcome")) == list(Ledgered)


# Signals


@pytest.mark.parametrize("module", [worker.signals, schedules.signals], ids=lambda module: module.__name__)
def test_every_signal_is_documented_with_the_arguments_that_are_sent(module: ModuleType) -> None:
    documented = page("reference/signals.md").table("Signal", module.__name__)
    assert list(documented) == [name for name, value in vars(module).items() if isinstance(value, Signal)]
    sent = list(_sent())
    for name, (arguments, *_) in documented.items():
        given = [keywords for signal, keywords in sent if signal == name]
        assert given, f"{name} is never sent"
        assert all(set(code_in(arguments)) == keywords for keywords in given), name


def test_every_change_of_a_schedule_that_is_told_is_documented() -> None:
    sources = "".join(_source(path) for path in _sources() if path.startswith("schedules/changes/"))
    told = set(re.findall(r'"(\w+)"', "".join(re.findall(r"tell\w*\((.+)\)", sources))))
    (_, sentence) = page("reference/signals.md").table("Signal")["schedule_changed"]
    assert told == set(code_in(sentence)) - {"change"}


def test_every_outcome_of_a_run_is_documented_with_what_it_holds() -> None:
    documented = page("reference/signals.md").table("Outcome")
    assert {name: code_in(held) for name, (held, *_) in documented.items()} == {
        kind.__name__: [field.name for field in fields(kind)] for kind in get_args(outcomes.Outcome)
    }


def test_every_logger_is_documented() -> None:
    assert set(page("reference/signals.md").table("Logger")) == _loggers()


# Commands and checks


def test_every_flag_of_a_command_is_documented_and_no_other() -> None:
    documented = set(FLAG.findall(page("reference/commands.md").text))
    of_django = _flags(BaseCommand())
    ours = {flag for name in COMMANDS for flag in _flags(load_command_class("schedules", name))}
    assert ours - of_django <= documented <= ours | of_django


def test_every_check_is_documented_and_no_other() -> None:
    used = {id for path in _sources() for id in CHECK_ID.findall(_source(path))}
    assert used
    assert set(CHECK_ID.findall(page("reference/checks.md").text)) == used


# What the code says


def _defaults(kind: type) -> dict[str, Any]:
    return {field.name: field.default for field in fields(kind)}


def _parameter_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def _column_defaults() -> dict[str, Any]:
    return {field.name: field.get_default() for field in Schedule._meta.concrete_fields}


def _public(kind: type) -> list[str]:
    return [
        name
        for name, value in vars(kind).items()
        if (callable(value) or isinstance(value, property)) and not name.startswith("_") and name not in INTERNAL
    ]


def _found(name: str) -> Any:
    first, *rest = name.split(".")
    return reduce(getattr, rest, DOORS[first])


def _parameters(function: Callable[..., Any]) -> list[tuple[str, object, object]]:
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, _shown(each.default)) for each in parameters if each.name != "self"]


def _shown(default: object) -> object:
    """A heading writes … for a default that is no literal."""
    return default if default in (None, inspect.Parameter.empty) or isinstance(default, (str, int, tuple)) else ...


def _written(heading: str) -> list[tuple[str, object, object]]:
    """The parameters of a signature as a heading has it."""
    arguments = heading[heading.index("(") :].replace("…", "...")
    return _parameters(eval(f"lambda {arguments[1:-1]}: None"))


def _names(table: Table) -> set[str]:
    """The first column, where a cell may hold several names."""
    return {name for cell in table for name in re.findall(r"\w+", cell)}


def _loggers() -> set[str]:
    text = "".join(map(_source, ("worker/log/jobs.py", "worker/log/processes.py", "schedules/signals.py")))
    return set(re.findall(r'= Speaker\("([\w.]+)"\)', text))


def _sent() -> Iterator[tuple[str, set[str]]]:
    """Each place that sends a signal: its name, and the names of the arguments."""
    for path in _sources():
        for call in ast.walk(ast.parse(_source(path))):
            if isinstance(call, ast.Call):
                for each in (call.func, *call.args[:1]):  # called, or bound by partial
                    if isinstance(each, ast.Attribute) and each.attr in ("send", "send_robust"):
                        yield ast.unparse(each.value).removeprefix("signals."), {str(key.arg) for key in call.keywords}


def _flags(command: BaseCommand) -> set[str]:
    """Those that `--help` shows."""
    shown = [action for action in command.create_parser("manage.py", "command")._actions if action.help != SUPPRESS]
    return {flag for action in shown for flag in action.option_strings if flag.startswith("--")}


def _sources() -> list[str]:
    return [str(path.relative_to(ROOT)) for app in ("schedules", "worker") for path in (ROOT / app).rglob("*.py")]


def _source(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
