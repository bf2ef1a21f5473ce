"""What `settings.SCHEDULES` declares. Naming a task there registers it: a function, or a management command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import CommandError

from schedules.declarations.background import Background
from schedules.models import Source
from schedules.spec import OPTIONS, InvalidSchedule, Spec, spec_of
from worker import tasks
from worker.messages.echo import echo, one_line, quoted
from worker.messages.expected import must_be
from worker.messages.nearest import did_you_mean, unknown_options
from worker.reports.log_capture import printing
from worker.tasks import InvalidTask, Task

LONGEST_REASON = 200
"""Characters that a message repeats of why a module cannot be imported."""
KEYS = ("task", "args", "kwargs", "enabled", "renamed_from", *OPTIONS)


@dataclass(frozen=True, slots=True)
class Configured:
    """What settings declare, and what is wrong with the rest."""

    specs: list[Spec] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    """By the name of an entry that cannot be read, what is wrong with it."""
    nothing_read: str = ""
    """Why no entry at all can be read."""

    @property
    def problems(self) -> list[str]:
        """One sentence each."""
        return [*filter(None, [self.nothing_read]), *self.unread.values()]


@dataclass(frozen=True, slots=True)
class ManagementCommand:
    """A management command as a task: its arguments are those of `call_command`.

    A command may end by raising SystemExit, as if it had the process to itself: without a code, or with 0, it has
    succeeded.
    """

    command: str

    def __call__(self, *args: Any, **options: Any) -> None:
        try:
            with printing() as streams:
                call_command(self.command, *args, **{**streams, **options})
        except SystemExit as end:
            if end.code not in (None, 0):
                raise CommandError(end.code if isinstance(end.code, str) else f"exit code {end.code}") from end


def in_settings() -> Configured:
    """Read `settings.SCHEDULES` and register the tasks that it names."""
    given = getattr(settings, "SCHEDULES", {})
    if not isinstance(given, Mapping):
        return Configured(nothing_read=f"SCHEDULES is a {type(given).__name__}, but must be a dictionary of schedules.")
    configured = Configured()
    for name, entry in given.items():
        where = f"SCHEDULES[{quoted(name)}]"
        try:
            configured.specs.append(_spec(where, name, entry))
        except InvalidSchedule as fault:
            configured.unread[name if isinstance(name, str) else echo(name)] = str(fault)
    return configured


def register_tasks() -> None:
    """Register the tasks that `settings.SCHEDULES` names, for any process may enqueue or run them.

    Nothing else of it is read, which costs the import of croniter. What is wrong with it the checks say.
    """
    given = getattr(settings, "SCHEDULES", {})
    for entry in given.values() if isinstance(given, Mapping) else ():
        if isinstance(entry, Mapping):
            with suppress(InvalidSchedule):
                task_of(entry.get("task"), "SCHEDULES")


def task_of(given: object, where: str) -> Task:
    """The task itself, or the one of that name, or else the function at that dotted path, which is registered.

    Raises InvalidSchedule with the nearest name that exists.
    """
    if isinstance(given, Background):
        return given.task
    if isinstance(given, Task):
        return given
    if not isinstance(given, str) or not given:
        raise InvalidSchedule(must_be(f"{where}: task", given, 'a dotted path such as "shop.tasks.report"'))
    try:
        return _task_named(given)
    except InvalidTask as fault:
        raise InvalidSchedule(f"{where}: {fault}") from fault


def _spec(where: str, name: str, entry: object) -> Spec:
    if not isinstance(entry, Mapping):
        raise InvalidSchedule(f"{where} is a {type(entry).__name__}, but must be a dictionary.")
    for fault in unknown_options(entry, KEYS, where):
        raise InvalidSchedule(fault)
    return spec_of(
        task_of(entry.get("task"), where),
        where=where,
        name=name,
        source=Source.SETTINGS,
        declared_in=f"settings.{where}",
        args=entry.get("args", ()),
        kwargs=entry.get("kwargs"),
        enabled=entry.get("enabled", True),
        renamed_from=entry.get("renamed_from", ()),
        options={key: value for key, value in entry.items() if key in OPTIONS},
    )


def _task_named(path: str) -> Task:
    try:
        return tasks.get(path)
    except tasks.UnknownTask:
        return tasks.register(_command(path) if path.startswith("manage:") else _function(path))


def _command(path: str) -> Task:
    command = path.removeprefix("manage:")
    if command not in get_commands():
        raise InvalidTask(
            _asking(f"there is no management command {quoted(command)}.", command, get_commands(), "manage:")
        )
    return Task(ManagementCommand(command), path, max_attempts=1)  # few commands expect to be run again at once


def _function(path: str) -> Task:
    module_path, _, name = path.rpartition(".")
    try:
        module = _module(module_path, name)
    except Exception as error:  # whatever a module raises when it is imported, the other entries are well
        raise InvalidTask(
            _asking(
                f"task {quoted(path)} cannot be imported ({one_line(str(error), LONGEST_REASON)}).",
                path,
                [task.name for task in tasks.registered()],
            )
        ) from error
    found: Callable[..., Any] | Background[Any, Any, Any] | None = getattr(module, name, None)
    if isinstance(found, Background):
        return found.task
    if found is None or not callable(found):
        names = [each for each in vars(module) if callable(getattr(module, each)) and not each.startswith("_")]
        raise InvalidTask(
            _asking(
                f"task {quoted(path)}: {one_line(module_path)} has no function {quoted(name)}.",
                name,
                names,
                f"{module_path}.",
            )
        )
    return Task(found, path)


def _module(path: str, name: str) -> ModuleType:
    if not all(part.isidentifier() for part in (*path.split("."), name)):
        raise ImportError("it is no dotted path")
    return import_module(path)


def _asking(sentence: str, name: str, known: Iterable[str], prefix: str = "") -> str:
    return f"{sentence} {did_you_mean(name, known, prefix=prefix)}".rstrip()
