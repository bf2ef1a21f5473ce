"""The doors: the modules from which others may import. The documentation names nothing else, and errors name theirs.

What stands behind a door may move at any time.
"""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from traceback import format_exception_only

import pytest

from tests.documents import DOCS, ROOT, Page, code_in, names_in, page, pages

DOORS = (
    "schedules",
    "schedules.api",
    "schedules.apps",
    "schedules.models",
    "schedules.recurrence",
    "schedules.routers",
    "schedules.signals",
    "schedules.testing",
    "worker",
    "worker.api",
    "worker.apps",
    "worker.backends",
    "worker.carry",
    "worker.conformance",
    "worker.models",
    "worker.signals",
)
IMPORT = re.compile(
    r"^[>. \t]*((?:from (?:schedules|worker)[\w.]* import|import (?:schedules|worker)\b) *(?:\([^)]*\)|[^#\n]*))",
    re.MULTILINE,
)
FOR_MAINTAINERS = (DOCS / "adr", DOCS / "explanation" / "undocumented.md")
PAGES = [each for each in pages() if not any(map(each.path.is_relative_to, FOR_MAINTAINERS))]
EXAMPLES = sorted((ROOT / "manage_example").rglob("*.py"))


def offered(door: str) -> set[str]:
    """What a door says that it offers, or else what is made there."""
    module = import_module(door)
    made_there = (name for name, value in vars(module).items() if getattr(value, "__module__", None) == door)
    return set(getattr(module, "__all__", made_there))


def errors() -> dict[str, type[BaseException]]:
    """By the door of each and its name there."""
    found = {f"{door}.{name}": getattr(import_module(door), name) for door in DOORS for name in offered(door)}
    return {path: kind for path, kind in found.items() if isinstance(kind, type) and issubclass(kind, BaseException)}


# What is offered


@pytest.mark.parametrize("door", DOORS)
def test_a_door_opens_and_offers_something(door: str) -> None:
    assert all(hasattr(import_module(door), name) for name in offered(door))
    assert offered(door)


@pytest.mark.parametrize("each", PAGES, ids=str)
def test_a_page_imports_only_at_the_doors(each: Page) -> None:
    assert not [name for name in imported_by(each.text) if not is_offered(name)]


@pytest.mark.parametrize("each", PAGES, ids=str)
def test_a_page_names_only_the_doors_and_what_they_offer(each: Page) -> None:
    loggers = page("reference/signals.md").table("Logger")
    assert not [name for name in names_in(each.text) if name not in loggers and not is_offered(name)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_example_imports_only_at_the_doors(path: Path) -> None:
    assert not [name for name in imported_by(path.read_text(encoding="utf-8")) if not is_offered(name)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from schedules import HOURLY, background as task", ["schedules.HOURLY", "schedules.background"]),
        (">>> from worker.outcomes import Failed", ["worker.outcomes.Failed"]),
        ("x\n    import worker.queue", ["worker.queue"]),
        ("from schedules.api import (\n    get,\n    Handle,\n)", ["schedules.api.get", "schedules.api.Handle"]),
        ("see `from schedules import DAILY`", ["schedules.DAILY"]),
        ("nothing comes from schedules importantly", []),
    ],
)
def test_no_way_of_importing_escapes(text: str, names: list[str]) -> None:
    assert list(imported_by(text)) == names


# Errors


def test_the_errors_at_the_doors_are_the_documented_ones() -> None:
    documented = set(page("reference/api.md").table("Error", "Errors"))
    to_raise = {"worker.Cancel", "worker.Fail", "worker.Retry", "worker.Snooze"}
    assert {f"{kind.__module__}.{kind.__name__}" for kind in errors().values()} == documented | to_raise
    assert {resolve_name(path) for path in documented | to_raise} == set(errors().values())


@pytest.mark.parametrize("path", errors())
def test_an_error_shows_the_door_at_which_it_stands(path: str) -> None:
    kind = errors()[path]
    error = kind(5)

    assert resolve_name(f"{kind.__module__}.{kind.__qualname__}") is kind
    assert format_exception_only(error)[0].startswith(f"{kind.__module__}.{kind.__name__}: ")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args) == (kind, error.args)


def is_offered(path: str) -> bool:
    """A door itself, or what it offers, or an attribute of that."""
    if path in DOORS:
        return True
    door = max((each for each in DOORS if path.startswith(f"{each}.")), key=len)
    name = path.removeprefix(f"{door}.").partition(".")[0]
    return name in offered(door)


def imported_by(text: str) -> Iterator[str]:
    """The full names that a page or a file imports of ours, in blocks of code and in prose."""
    for statement in [*IMPORT.findall(text), *(code for code in code_in(text) if IMPORT.fullmatch(code))]:
        for node in ast.parse(statement.strip()).body:
            match node:
                case ast.Import(names=names):
                    yield from (each.name for each in names)
                case ast.ImportFrom(module=str(module), names=names):
                    yield from (f"{module}.{each.name}" for each in names)
