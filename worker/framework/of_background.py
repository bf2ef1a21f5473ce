"""The Task of a function that is declared with @background: it runs as the calls of that function do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import import_module
from typing import Any

from worker import calls, error_classes, framework, tasks
from worker.framework import kinds
from worker.framework.kinds import OWN, Task
from worker.own_options import Same
from worker.parameters import Parameters
from worker.tasks import ERROR_CLASSES
from worker.values import NewJob


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundTask(Task):
    """What `as_task()` gives. Options that the declaration leaves open are as SCHEDULER says, not as TASKS does."""

    known_as: str
    """The name under which workers know the function. It need not be its dotted path."""
    verbose_name: str = ""
    creator: str = ""
    remove_existing_tasks: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        """In its module stands the function of @background, and no Task that a copy could be made from."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "func"}
        return _again, (self.module_path.rpartition(".")[0], given)


def as_task(known: tasks.Task, given: Mapping[str, Any], backend: str | None = None) -> BackgroundTask:
    """The Task of a task that is known here. `given`: options of its calls, those of `worker.calls.CALL`.

    backend: an alias in settings.TASKS. None: the first whose backend is ours, or else "default". Raises InvalidCall
    for an option that could not work; the framework's InvalidTask for what the backend does not take.
    """
    options = calls.job_options(known, given)
    start = calls.start_of(given["schedule"]) if given.get("schedule") is not None else calls.Start()
    return BackgroundTask(
        **declared_as(known),
        backend=_backend_of_ours() if backend is None else backend,
        queue_name=options["queue"],
        priority=options["priority"],
        run_after=start.run_after,  # type: ignore[arg-type]  # ours takes a length, too
        takes_context=False,
        verbose_name=options["verbose_name"],
        creator=options["creator"],
        remove_existing_tasks=calls.replaces(given),
    )


def declared_as(known: tasks.Task) -> dict[str, Any]:
    """What its Task has from the declaration alone."""
    options = {name: getattr(known, name) for name in OWN}
    classes = {name: error_classes.paths(options[name]) for name in ERROR_CLASSES if options[name] is not None}
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in {**options, **classes}.items()}
    return {"func": known.function, "known_as": known.name, **plain}


def own_options(task: framework.AnyTask) -> dict[str, Any]:
    """What any Task says for itself, as a row keeps it: of one of @background, what its declaration does not say."""
    said = kinds.own_options(task)
    if not isinstance(task, BackgroundTask):
        return said
    declared = declared_as(tasks.get(task.known_as))
    of_runs = {name: value for name, value in said.items() if value != declared[name]}
    return {**of_runs, **{name: value for name in _OF_CALLS if (value := getattr(task, name))}}


def require(task: framework.AnyTask, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raises TypeError for arguments that do not fit the function, as its own calls do."""
    if isinstance(task, BackgroundTask):
        _parameters(Same(tasks.get(task.known_as))).require(args, kwargs)


def replacing(task: framework.AnyTask, job: NewJob, using: str) -> AbstractContextManager[None]:
    """Around the insertion of its job: cancels equal ones that nobody has started, if the Task says so."""
    if isinstance(task, BackgroundTask) and task.remove_existing_tasks:
        return calls.replacing(job.task, job.arguments, _parameters(Same(tasks.get(job.task))), using)
    return nullcontext()


def _backend_of_ours() -> str:
    aliases = sorted(framework.task_backends, key=lambda alias: alias != _DEFAULT)
    ours = (alias for alias in aliases if issubclass(framework.task_backends[alias].task_class, Task))
    return next(ours, _DEFAULT)


def _again(module: str, given: Mapping[str, Any]) -> BackgroundTask:
    import_module(module)
    return BackgroundTask(func=tasks.get(given["known_as"]).function, **given)


@lru_cache(maxsize=1024)
def _parameters(known: Same) -> Parameters:
    return Parameters(known.task.function, f"{known.task.name}(…)")


_DEFAULT = "default"
_OF_CALLS = ("verbose_name", "creator", "remove_existing_tasks")
