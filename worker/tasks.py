"""Tasks: Python callables by name, and the options of their jobs. It does not know when they run.

The registry is the only way from a name in the database to code: a row can call nothing that was not declared.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from asgiref.sync import AsyncToSync, iscoroutinefunction

from worker import backoff, error_classes, keeping
from worker.messages.echo import echo, quoted
from worker.messages.expected import A_FLAG, a_whole_number, is_whole, must_be
from worker.models import QUEUE_NAME_LENGTH, TASK_NAME_LENGTH
from worker.options import MOST, options
from worker.registry import Registry

DEFAULT_QUEUE = "default"
MOST_LAYERS = 100
"""Of decorators around a function. One that wraps itself has no end of them."""
LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100
RUN_OPTIONS = ("max_attempts", "backoff", "atomic", "fresh_connection", "may_fail", "keep_result", "log")
"""How the jobs of a task are run. A schedule may say it for its own."""
ERROR_CLASSES = ("retry_on", "give_up_on")
"""Which of its errors are tried again. The task alone says it."""
KEEP = "keep"
"""How long the records of its finished jobs stay. The task alone says it, and there None is a value."""


class InvalidTask(ValueError):
    """A task is declared in a way that could not work."""

    __module__ = "worker.api"


class UnknownTask(LookupError):
    """No task of that name is declared in this process."""

    __module__ = "worker.api"


@dataclass(frozen=True, slots=True)
class Task:
    """A callable and the defaults of its jobs."""

    function: Callable[..., Any]
    name: str
    """The dotted path, or the name that the declaration gives it."""
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    """From -100 to 100; larger runs first."""
    max_attempts: int | None = None
    """None: SCHEDULER["MAX_ATTEMPTS"]."""
    backoff: backoff.Backoff | None = None
    """None: SCHEDULER["BACKOFF"]."""
    retry_on: Sequence[error_classes.ErrorClass] | None = None
    """Only an error of these classes is tried again. None: any."""
    give_up_on: Sequence[error_classes.ErrorClass] = ()
    """An error of these classes is not, whatever `retry_on` says."""
    atomic: bool = False
    """Its jobs run in a transaction of the queue's database, which also records that they succeeded."""
    fresh_connection: bool = False
    """Each run opens connections of its own, and closes them: whatever it sets in a session is gone with it."""
    may_fail: bool = False
    """Whether its jobs may fail for good without that being told as a problem."""
    log: bool = False
    """What its jobs log is kept with the job."""
    keep_result: bool = False
    """History keeps what its jobs return, as JSON. Otherwise a return value is nobody's business."""
    keep: keeping.Keeping | keeping.Keep = keeping.AS_SETTINGS
    """How long history keeps its jobs, by outcome: a `Keep`, whatever was given."""
    formerly: Sequence[str] = ()
    """Names that it had before. What was enqueued under one of them runs, too."""

    def __post_init__(self) -> None:
        for fault in _faults(self):
            raise InvalidTask(f"Task {quoted(self.name)}: {fault}")
        object.__setattr__(self, KEEP, keeping.read(self.keep))

    @property
    def attempts_allowed(self) -> int:
        return options().MAX_ATTEMPTS if self.max_attempts is None else self.max_attempts

    def may_retry(self, error: BaseException) -> bool:
        """Whether another attempt may follow such an error."""
        is_wanted = self.retry_on is None or error_classes.has(self.retry_on, error)
        return is_wanted and not error_classes.has(self.give_up_on, error)

    def retry_delay(self, attempt: int, job_id: int) -> float:
        """Seconds to wait after failed attempt number `attempt`. A function as backoff is not asked."""
        own = self.backoff
        return backoff.delay(options().BACKOFF if own is None or callable(own) else own, attempt, job_id)


def path_of(function: Callable[..., Any]) -> str:
    """The dotted path under which a worker finds the function.

    Raises InvalidTask where there is none: a lambda, a method, a function inside a function.
    """
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not callable(function) or not module or not qualname or "." in qualname or "<" in qualname:
        raise InvalidTask(
            f"{echo(function)} cannot be a task: a worker finds it by name, so it must be a top-level function of a "
            "module."
        )
    return f"{module}.{qualname}"


def register(task: Task) -> Task:
    """Make the task known in this process.

    Raises InvalidTask when another function already has the name. The same one may be declared again (a reload).
    """
    known = _REGISTRY.get(task.name)
    if known is not None and _place(known.function) != _place(task.function):
        raise InvalidTask(
            f'Task "{task.name}" is declared twice: by {".".join(_place(known.function))} and by '
            f"{'.'.join(_place(task.function))}. Give one of them another name."
        )
    for fault in _taken_names(task):
        raise InvalidTask(f"Task {quoted(task.name)}: {fault}")
    _REGISTRY.put(task.name, task)
    for former in task.formerly:
        _FORMER_NAMES.put(former, task.name)
    return task


def get(name: str) -> Task:
    """The task of that name, or the one that had it before. Raises UnknownTask."""
    task = find(name)
    if task is None:
        raise UnknownTask(name)
    return task


def find(name: str) -> Task | None:
    """The same; None: no task of that name is declared in this process."""
    return _REGISTRY.get(name) or _REGISTRY.get(_FORMER_NAMES.get(name) or "")


def is_registered(name: str) -> bool:
    """Whether a job of that name can run here, be it that the task has another name now."""
    return find(name) is not None


def same(name: str, other: str) -> bool:
    """Whether both are names of one task, as far as is known here."""
    return name == other or (_FORMER_NAMES.get(name) or name) == (_FORMER_NAMES.get(other) or other)


def registered() -> Iterable[Task]:
    return _REGISTRY.entries()


def by_module() -> dict[str, int]:
    """How many tasks this process knows, by the module of their functions. What is no function has its name there."""
    return dict(Counter(map(_home, _REGISTRY.entries())))


def queue_problem(name: object) -> str | None:
    """What is wrong with a value given as the name of a queue, or None."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        return f"{echo(name)} is no queue: give a name of printable characters."
    if len(name) > QUEUE_NAME_LENGTH:
        return (
            f'the name of the queue "{name[:20]}…" has {len(name)} characters; at most {QUEUE_NAME_LENGTH} are allowed.'
        )
    return None


def priority_problem(priority: object) -> str | None:
    """What is wrong with a value given as a priority, or None."""
    if is_whole(priority, LOWEST_PRIORITY, HIGHEST_PRIORITY):
        return None
    return f"{echo(priority)} is no priority: give {a_whole_number(LOWEST_PRIORITY, HIGHEST_PRIORITY)}."


def run_option_problem(name: str, value: object) -> str | None:
    """What is wrong with a value given for one of `RUN_OPTIONS`, or None."""
    match name:
        case "max_attempts":
            return None if is_whole(value, 1, MOST) else must_be(name, value, a_whole_number(1, MOST))
        case "backoff":
            return backoff.problem(value)
        case _:
            return None if isinstance(value, bool) else must_be(name, value, A_FLAG)


def _taken_names(task: Task) -> Iterator[str]:
    """A former name means one task, and no other has it."""
    if (owner := _FORMER_NAMES.get(task.name)) is not None:
        yield f"{owner} had this name before (formerly). Give one of them another name."
    for former in task.formerly:
        owner = former if _REGISTRY.get(former) is not None else _FORMER_NAMES.get(former)
        if owner not in (None, task.name):
            yield f"its former name {quoted(former)} (formerly) belongs to {owner}. Take it out."


def _faults(task: Task) -> Iterable[str]:
    if getattr(task.function, "__module__", None) == "__main__":
        yield (
            "it is defined in the script that runs, where no worker can find it: move it into a module, "
            "such as tasks.py."
        )
    for kind, remedy in _deferred(task.function):
        yield f"it is {kind}, so a call would not run it: {remedy} inside a plain function."
    if not isinstance(task.name, str) or not task.name.strip() or not task.name.isprintable():
        yield "its name must be of printable characters."
    elif len(task.name) > TASK_NAME_LENGTH:
        yield f"its name has {len(task.name)} characters; at most {TASK_NAME_LENGTH} are allowed."
    for fault in (queue_problem(task.queue), priority_problem(task.priority)):
        if fault:
            yield fault
    yield from _faults_of_runs(task)
    names = task.formerly if isinstance(task.formerly, (list, tuple)) else [None]
    if not all(isinstance(name, str) and name and name != task.name for name in names):
        yield must_be("formerly", task.formerly, "a list of names that the task had before")


def _faults_of_runs(task: Task) -> Iterator[str]:
    for option in ERROR_CLASSES:
        classes, is_any = getattr(task, option), option == "retry_on"
        if not (classes is None and is_any) and (fault := error_classes.problem(option, classes)):
            yield fault
    for option in RUN_OPTIONS:
        value = getattr(task, option)
        is_the_projects = value is None and option in ("max_attempts", "backoff")
        is_function = option == "backoff" and callable(value)
        if not is_the_projects and not is_function and (fault := run_option_problem(option, value)):
            yield fault
    if fault := keeping.problem(task.keep):
        yield fault


def _deferred(function: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """How the function, or one that it wraps, puts its work off, and what to do about it."""
    for layer in _layers(function):
        if isinstance(layer, AsyncToSync):
            return
        for puts_off, kind, remedy in _DEFERRING:
            if puts_off(layer) or puts_off(type(layer).__call__):
                yield kind, remedy


def _layers(function: Any) -> Iterator[Any]:
    """It, what it is a decorated or partial form of, what that is one of, and so on."""
    for _ in range(MOST_LAYERS):
        yield function
        function = function.func if isinstance(function, partial) else getattr(function, "__wrapped__", None)
        if function is None:
            return


def _home(task: Task) -> str:
    return task.function.__module__ if hasattr(task.function, "__qualname__") else task.name


def _place(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


_DEFERRING = (
    (iscoroutinefunction, "an async function", "call it with asgiref.sync.async_to_sync"),
    (inspect.isasyncgenfunction, "an async generator function", "loop over it with asgiref.sync.async_to_sync"),
    (inspect.isgeneratorfunction, "a generator function", "loop over it"),
)
_REGISTRY: Registry[Task] = Registry()
_FORMER_NAMES: Registry[str] = Registry()
