"""The directions of imports, as a table. A new file obeys it or the table says why not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("schedules", "worker")

EVERYTHING = ("schedules", "schedules.*", "worker", "worker.*")
PURE = (
    "schedules.recurrence",
    "schedules.recurrence.*",
    "schedules.planning",
    "schedules.planning.*",
    "worker.arguments",
    "worker.backoff",
    "worker.dialects.portions",
    "worker.messages",
    "worker.messages.*",
    "worker.outcomes",
    "worker.parameters",
    "worker.signs",
)
MODELS = ("schedules.models", "worker.models")
BELOW_MODELS = (*PURE, "worker.indexes")
COMPOSITION_ROOTS = (
    "*.admin",
    "*.admin.*",
    "*.apps",
    "*.checks",
    "*.management.*",
    "*.testing",
)
HOST_CLOCK = (
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "django.utils.timezone.localdate",
    "django.utils.timezone.localtime",
    "django.utils.timezone.now",
    "time.time",
    "time.time_ns",
)


@dataclass(frozen=True)
class Rule:
    """`modules`, but for `exempt` ones, name nothing that matches `never`, unless it matches `but_for`."""

    promise: str
    modules: tuple[str, ...]
    never: tuple[str, ...]
    exempt: tuple[str, ...] = ()
    but_for: tuple[str, ...] = ()

    def binds(self, module: str) -> bool:
        return _matches(module, self.modules) and not _matches(module, self.exempt)

    def forbids(self, name: str) -> bool:
        return _matches(name, self.never) and not _matches(name, self.but_for)


RULES = [
    Rule(
        "the queue knows nothing of the clock",
        modules=("worker", "worker.*"),
        never=("schedules", "schedules.*"),
    ),
    Rule(
        "pure modules know no Django",
        modules=PURE,
        never=("django", "django.*"),
    ),
    Rule(
        "pure modules rest on pure modules alone",
        modules=PURE,
        never=("schedules.*", "worker.*"),
        but_for=(*PURE, *(f"{module}.*" for module in PURE)),
    ),
    Rule(
        "models rest on what is below them",
        modules=MODELS,
        never=("schedules.*", "worker.*"),
        but_for=tuple(pattern for module in (*MODELS, *BELOW_MODELS) for pattern in (module, f"{module}.*")),
    ),
    Rule(
        "running a job touches no table",
        modules=("worker.running.execution",),
        never=(
            "django.db",
            "django.db.*",
            "worker.models",
            "worker.models.*",
            "worker.queue",
            "worker.queue.*",
        ),
    ),
    Rule(
        "only composition roots import composition roots",
        modules=EVERYTHING,
        exempt=COMPOSITION_ROOTS,
        never=(*COMPOSITION_ROOTS, *(f"{root}.*" for root in COMPOSITION_ROOTS)),
        but_for=("django.*",),
    ),
    Rule(
        "now is an argument below the composition roots",
        modules=EVERYTHING,
        exempt=COMPOSITION_ROOTS,
        never=HOST_CLOCK,
    ),
    Rule(
        "one module expands cron fields with croniter",
        modules=EVERYTHING,
        exempt=("schedules.recurrence.cron_grammar",),
        never=("croniter", "croniter.*"),
    ),
    Rule(
        "one module asks pytz for the rules of zones",
        modules=EVERYTHING,
        exempt=("schedules.recurrence.zones",),
        never=("pytz", "pytz.*"),
    ),
    Rule(
        "one module measures texts on a terminal",
        modules=EVERYTHING,
        exempt=("schedules.commandline.columns",),
        never=("wcwidth", "wcwidth.*"),
    ),
    Rule(
        "zone rules have one source",
        modules=EVERYTHING,
        never=("zoneinfo", "zoneinfo.*", "dateutil", "dateutil.*"),
    ),
    Rule(
        "nothing that is stored can become code",
        modules=EVERYTHING,
        never=(
            "pickle*",
            "marshal*",
            "shelve*",
            "yaml*",
            "dill*",
            "cloudpickle*",
            "jsonpickle*",
            "codeop*",
            "builtins*",
        ),
    ),
    Rule(
        "the product does not rest on its tests",
        modules=EVERYTHING,
        never=("tests", "tests.*", "manage_example", "manage_example.*", "pytest", "hypothesis"),
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.promise)
def test_directions_of_imports(rule: Rule) -> None:
    bound = {module: path for module, path in _modules().items() if rule.binds(module)}

    assert bound, f"the rule binds no module any more: {rule.modules}"
    offences = list(_offences(rule, bound))
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import time\ntime.time()", {"time", "time.time"}),
        ("import time as t\nt.time()", {"time", "time.time"}),
        ("from time import time", {"time", "time.time"}),
        ("from datetime import datetime\ndatetime.now(UTC)", {"datetime.datetime", "datetime.datetime.now"}),
        ("import datetime as dt\ndt.datetime.now", {"datetime", "datetime.datetime.now"}),
        ("def later():\n    from worker import queue", {"worker", "worker.queue"}),
        ("import worker.queue\nworker.tasks.find", {"worker.queue", "worker.tasks.find"}),
    ],
)
def test_no_way_of_naming_a_module_escapes_the_rules(source: str, names: set[str]) -> None:
    assert names <= {name for _, name in _names(ast.parse(source))}


def _offences(rule: Rule, bound: dict[str, Path]) -> Iterator[str]:
    for path in bound.values():
        for line, name in _names(ast.parse(path.read_text())):
            if rule.forbids(name):
                yield f"{path.relative_to(ROOT)}:{line} names {name}: {rule.promise}"


def _modules() -> dict[str, Path]:
    paths = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py"))]
    return {_module_name(path): path for path in paths}


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The full name of everything that is imported, and of every attribute reached through an import."""
    bound = {local: full for node in ast.walk(tree) for local, full in _bound(node)}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, each.name) for each in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield node.lineno, module
                yield from ((node.lineno, f"{module}.{each.name}") for each in names)
            case ast.Attribute() if name := _full_name(node, bound):
                yield node.lineno, name


def _bound(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The local names that an import makes, and what they stand for. `import a.b` makes the name a."""
    match node:
        case ast.Import(names=names):
            for each in names:
                top = each.name.partition(".")[0]
                yield (each.asname, each.name) if each.asname else (top, top)
        case ast.ImportFrom(module=str(module), names=names):
            yield from ((each.asname or each.name, f"{module}.{each.name}") for each in names)


def _full_name(node: ast.expr, bound: dict[str, str]) -> str | None:
    match node:
        case ast.Name(id=name):
            return bound.get(name)
        case ast.Attribute(value=value, attr=attribute):
            owner = _full_name(value, bound)
            return owner and f"{owner}.{attribute}"
        case _:
            return None


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
