"""The plan of the house: which room may import which, and by which doors a room is entered.

A room is a module or a package right below an app. A new one needs a line in the plan, and each import that crosses
rooms needs a word in it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from itertools import accumulate, takewhile
from pathlib import Path

import pytest

from tests.sources import APPS, ROOT, bound_in, full_name, modules, names, tree_of

pytestmark = pytest.mark.of_files

# A room may import the rooms that its line names, first those of its own app and behind the bar those of the queue, and
# any room further up that has a plus: these hold values and words that all of the house shares. It may import nothing
# further down.
PLAN = """
Pure: they know no Django, no table and no clock

+ worker.messages
+ worker.outcomes
+ worker.raised
+ worker.current
  worker.registry
+ worker.named_objects
  worker.backoff
  worker.error_classes
  worker.signs
+ worker.vigil
+ worker.patience
  worker.repeats
  worker.dialects.portions
  worker.keeping
  worker.arguments
  worker.results            arguments
  worker.parameters         arguments
  worker.carry.stored
+ schedules.recurrence
+ schedules.planning

The queue: it does the work, and knows nothing of schedules

  worker
  worker.indexes
+ worker.instants
+ worker.models             arguments indexes instants results
  worker.migrations         indexes
+ worker.values
+ worker.options            backoff
  worker.codec              arguments
  worker.tasks              backoff error_classes keeping registry
  worker.current.runs       tasks
  worker.unknown
  worker.own_options        carry.stored keeping tasks
  worker.masking            arguments tasks
  worker.events             masking repeats
  worker.signals            events
  worker.log                events masking signals unknown
  worker.telling            events log signals
  worker.carry              arguments carry.stored signals
  worker.dialects           dialects.portions instants
  worker.clock              dialects
  worker.refusals           clock dialects
  worker.erasure            dialects refusals
  worker.reports            clock dialects masking refusals signals
  worker.roster             clock dialects erasure
  worker.serving            masking roster
  worker.sessions
  worker.wakeup             clock dialects dialects.portions sessions signals
  worker.queue              arguments clock dialects dialects.portions erasure keeping own_options refusals signals wakeup
  worker.reasons            queue serving tasks unknown
  worker.calls              arguments carry carry.stored codec dialects parameters queue tasks
  worker.framework          arguments backoff calls carry.stored current.runs error_classes keeping log own_options parameters queue results signals tasks telling
  worker.known              framework tasks
  worker.handles            calls dialects dialects.portions queue reports wakeup
  worker.promotion          clock queue refusals signals
  worker.rescue             clock queue refusals roster signals
  worker.chores             clock promotion queue refusals rescue signals
  worker.running            arguments backoff carry clock codec current.runs own_options queue reports results sessions signals tasks telling
  worker.process            chores clock dialects dialects.portions events known queue refusals reports roster running sessions signals tasks telling wakeup

The clock: it decides what is due

+ schedules.models          | arguments indexes instants
  schedules.migrations      | indexes
  schedules.describe
  schedules.spec            | arguments calls carry.stored own_options tasks
  schedules.signals         | events log masking
  schedules.occurrences     signals | dialects dialects.portions erasure queue tasks
  schedules.changes         occurrences signals spec | arguments calls carry.stored clock codec dialects dialects.portions erasure queue tasks wakeup
  schedules.declarations    changes occurrences signals spec | arguments backoff calls carry clock current.runs error_classes dialects.portions framework keeping masking parameters registry reports tasks
  schedules.scheduler       changes occurrences | chores promotion
  schedules.leader declarations occurrences scheduler signals | chores clock dialects erasure queue roster sessions wakeup
  schedules.overview        changes declarations describe leader occurrences spec | dialects.portions masking own_options queue reasons reports serving tasks unknown
  schedules.api             changes declarations overview spec | calls carry clock tasks
  schedules.uninstalled
  schedules                 declarations uninstalled

Leaves: they put the house together, and no other room imports them

  worker.api                arguments calls carry codec handles tasks
  worker.backends           arguments calls carry carry.stored codec error_classes framework handles keeping own_options queue tasks
  worker.conformance        framework
  worker.checks             carry codec tasks
  worker.apps               checks codec framework
  worker.admin              arguments clock handles masking queue reasons reports serving signs
  schedules.routers
  schedules.checks          declarations leader overview spec | clock sessions wakeup
  schedules.apps            checks declarations occurrences | current.runs process queue
  schedules.admin           changes declarations leader occurrences overview spec | admin arguments clock masking own_options tasks
  schedules.commandline     overview | arguments masking signs
  schedules.doctor          commandline leader overview | clock masking queue serving sessions signs wakeup
  schedules.testing         changes occurrences | clock current.runs known own_options queue registry reports roster running telling
  schedules.management      commandline describe doctor leader overview | calls clock handles log masking process reports tasks wakeup
"""  # noqa: E501  a room a line

# The modules by which a package is entered from other rooms, besides its own name. What is not named here moves freely.
DOORS = """
  worker.arguments          sealed
  worker.carry              capturing carriers restoring stored
  worker.current            job_filter progress runs
  worker.dialects           by_key claim portions words
  worker.handles            by_id filters listing verbs
  worker.framework          beside declared decorator kinds of_background results
  worker.log                jobs taken
  worker.messages           durations echo elsewhere errors expected nearest pages
  worker.process            crew departure first_start init reloading supervisor worker
  worker.running            atomic_run execution in_place pool
  worker.reports            log_capture
  worker.sessions           connection file
  worker.wakeup             asking awaited ends listening
  worker.admin              arguments filters labels records tables
  schedules.recurrence      cron_fields cron_grammar instants zones
  schedules.planning        columns due policies
  schedules.occurrences     due_schedules jobs ledger materialize spans
  schedules.declarations    background configured ownership renames scheduled sync
  schedules.leader          alive lock projects
  schedules.overview        kinds names past_runs problems scope upcoming values
  schedules.commandline     columns contract details flags given jobs look pipes table terminal
  schedules.doctor          findings report
"""

EVERYTHING = ("schedules", "schedules.*", "worker", "worker.*")
COMPOSITION_ROOTS = ("*.admin", "*.admin.*", "*.apps", "*.checks", "*.management.*", "*.testing")
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
class Room:
    """A line of the plan. `may_import` is without the open rooms above it, which it may import anyway."""

    name: str
    is_pure: bool
    is_open: bool
    may_import: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """`modules`, but for `exempt` ones, name nothing that matches `never`."""

    promise: str
    modules: tuple[str, ...]
    never: tuple[str, ...]
    exempt: tuple[str, ...] = ()

    def binds(self, module: str) -> bool:
        return _matches(module, self.modules) and not _matches(module, self.exempt)

    def forbids(self, name: str) -> bool:
        return _matches(name, self.never)


def _rooms() -> Iterator[Room]:
    is_pure = False
    for line in PLAN.splitlines():
        if room := re.fullmatch(r"([+ ]) (\S+) *(.*)", line):
            app = room[2].partition(".")[0]
            own, _, of_the_queue = room[3].partition("|")
            may = (*(f"{app}.{name}" for name in own.split()), *(f"worker.{name}" for name in of_the_queue.split()))
            yield Room(room[2], is_pure, room[1] == "+", may)
        elif line:
            is_pure = line.startswith("Pure")


ROOMS = {room.name: room for room in _rooms()}
PURE = tuple(pattern for room in ROOMS.values() if room.is_pure for pattern in (room.name, f"{room.name}.*"))
PACKAGES = [name for name in ROOMS if name not in APPS and (ROOT / name.replace(".", "/")).is_dir()]
SIDE_DOORS = {package: names for package, *names in map(str.split, DOORS.strip().splitlines())}


RULES = [
    Rule(
        "the queue knows nothing of schedules",
        modules=("worker", "worker.*"),
        never=("schedules", "schedules.*"),
    ),
    Rule(
        "pure rooms know no Django",
        modules=PURE,
        exempt=tuple(room.name for room in ROOMS.values() if not room.is_pure),  # one may stand within a pure one
        never=("django", "django.*"),
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
        "now is an argument below the composition roots",
        modules=EVERYTHING,
        # A line bears the time of its host, as any record does; and tests say when it is.
        exempt=(*COMPOSITION_ROOTS, "worker.log.writer", "worker.conformance.*"),
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
        exempt=("worker.arguments.tags",),  # the zone of a value that somebody passes is none of a schedule's
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
        "what happens is told as a signal, and one room writes the log",
        modules=EVERYTHING,
        # Of these, one adds to records of others, one reads them, and one keeps them.
        exempt=(
            "worker.log",
            "worker.log.*",
            "worker.current.job_filter",
            "worker.conformance.*",
            "worker.reports.log_capture",
        ),
        never=("logging", "logging.*"),
    ),
    Rule(
        "the product does not rest on its tests",
        modules=EVERYTHING,
        exempt=("worker.conformance", "worker.conformance.*"),  # they are tests, for who makes a backend
        never=("tests", "tests.*", "manage_example", "manage_example.*", "pytest", "hypothesis"),
    ),
]


# The plan


def test_every_module_has_a_room_in_the_plan_and_every_room_a_module() -> None:
    without = [module for module in _modules() if _room_of(module) is None]
    assert not without, f"the plan has no line for {without}"
    empty = ROOMS.keys() - {_room_of(module) for module in _modules()}
    assert not empty, f"the plan has a line for {empty}, which nobody finds"


def test_a_room_rests_only_on_rooms_above_it() -> None:
    above: set[str] = set()
    for room in ROOMS.values():
        assert above.issuperset(room.may_import), room.name
        above.add(room.name)


@pytest.mark.parametrize("room", ROOMS.values(), ids=lambda room: room.name)
def test_a_room_imports_what_its_line_says(room: Room) -> None:
    allowed = {room.name, *room.may_import, *_open_above(room)}

    offences = [f"{place} imports {module}" for place, module in _imports_of(room) if _room_of(module) not in allowed]
    assert not offences, "\n".join(offences)
    unneeded = set(room.may_import) - {_room_of(module) for _, module in _imports_of(room)}
    assert not unneeded, f"{room.name} does not import them any more"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_is_entered_by_its_doors(package: str) -> None:
    doors = {package, *(f"{package}.{name}" for name in SIDE_DOORS.get(package, ()))}
    others = [room for room in ROOMS.values() if not f"{room.name}.".startswith(f"{package}.")]
    entered = [each for room in others for each in _imports_of(room) if each[1].startswith(f"{package}.")]

    offences = [f"{place} enters {module}" for place, module in entered if module not in doors]
    assert not offences, "\n".join(offences)
    unused = doors - {package} - {module for _, module in entered}
    assert not unused, "nobody enters by them any more"


def test_the_drawing_for_newcomers_shows_every_room_on_a_floor_that_holds() -> None:
    floors = list(_drawn())

    assert {room for floor in floors for room in floor} == ROOMS.keys()
    for room in ROOMS.values():
        (number,) = (number for number, floor in enumerate(floors) if room.name in floor)
        assert {name for floor in floors[number:] for name in floor}.issuperset(room.may_import), room.name


def _drawn() -> Iterator[set[str]]:
    """The rooms of each floor, from the top down."""
    drawing = re.search(r"```text\n(.+?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert drawing
    _, *floors = re.split(r"^─.*$", drawing[1], flags=re.MULTILINE)
    for floor in floors:
        columns = [line.split("│")[1:] for line in floor.strip("\n").splitlines()]
        named = ((app, name) for row in columns for app, cell in zip(APPS, row, strict=True) for name in cell.split())
        yield {name if name in APPS else f"{app}.{name}" for app, name in named}


@pytest.mark.parametrize("folder", ["tests", "tests/conformance"])
def test_tests_stand_in_the_rooms_of_what_they_try(folder: str) -> None:
    rooms = {f"{app}.{path.parent.name}" for app in APPS for path in (ROOT / folder / app).glob("*/__init__.py")}

    assert rooms
    assert rooms - ROOMS.keys() == set()


def _open_above(room: Room) -> Iterator[str]:
    for each in ROOMS.values():
        if each is room:
            return
        if each.is_open:
            yield each.name


# The rules


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.promise)
def test_directions_of_imports(rule: Rule) -> None:
    bound = {module: path for module, path in _modules().items() if rule.binds(module)}

    assert bound, f"the rule binds no module any more: {rule.modules}"
    offences = list(_offences(rule, bound))
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(
    ("source", "found"),
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
def test_no_way_of_naming_a_module_escapes_the_rules(source: str, found: set[str]) -> None:
    assert found <= {name for _, name in names(ast.parse(source))}


def _offences(rule: Rule, bound: dict[str, Path]) -> Iterator[str]:
    for path in bound.values():
        for line, name in names(tree_of(path)):
            if rule.forbids(name):
                yield f"{path.relative_to(ROOT)}:{line} names {name}: {rule.promise}"


def _room_of(module: str) -> str | None:
    """The longest name in the plan that the module begins with. An app's own name is a room of one file."""
    app, *rest = module.split(".")
    names = (".".join((app, *rest[:length])) for length in range(len(rest), 0 if rest else -1, -1))
    return next((name for name in names if name in ROOMS), None)


@cache
def _imports_of(room: Room) -> tuple[tuple[str, str], ...]:
    """Each module of ours that is named in the room: where, and which."""
    return tuple(
        (f"{path.relative_to(ROOT)}:{line}", found)
        for module, path in _modules().items()
        if _room_of(module) == room.name
        for line, found in _modules_named(tree_of(path))
    )


def _modules_named(tree: ast.AST) -> Iterator[tuple[int, str]]:
    known = dict(bound_in(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=imported):
                yield from ((node.lineno, each.name) for each in imported if each.name in _modules())
            case ast.ImportFrom(module=str(module), names=imported) if module in _modules():
                named = (f"{module}.{each.name}" for each in imported)
                yield from ((node.lineno, name if _is_module(name) else module) for name in named)
            case ast.Attribute() if found := _module_behind(full_name(node, known) or ""):
                yield node.lineno, found


def _module_behind(name: str) -> str | None:
    """The last module on the way to what has that name."""
    prefixes = accumulate(name.split("."), lambda prefix, part: f"{prefix}.{part}")
    return max(takewhile(_is_module, prefixes), key=len, default=None)


def _is_module(name: str) -> bool:
    """Of ours, and not hidden: `schedules.changes.declare` is a function."""
    package, _, last = name.rpartition(".")
    return name in _modules() and last not in _names_bound_in(package)


@cache
def _names_bound_in(package: str) -> frozenset[str]:
    """What a package's own file defines or imports, but for the modules below it."""
    if package not in _modules():
        return frozenset()
    file = tree_of(_modules()[package])
    defined = {node.name for node in file.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    imported = {local for local, full in bound_in(file) if full != f"{package}.{local}"}
    return frozenset(defined | imported)


def _modules() -> dict[str, Path]:
    return modules(*APPS)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
