"""Tasks of the framework as tasks of this queue: known by name, found in any module, called by a worker."""

from __future__ import annotations

from importlib import import_module
from inspect import Signature, signature
from typing import Any

from worker import context, framework, signals, tasks
from worker.backoff import Asked
from worker.current import CurrentJob
from worker.framework import results, told


class Body:
    """What a worker calls: the function of a Task, as the framework wants it called."""

    def __init__(self, task: framework.AnyTask) -> None:
        self.declared_as = task
        self.__module__ = task.func.__module__
        self.__qualname__ = task.func.__qualname__
        self.__signature__ = _of_caller(task)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self.declared_as.takes_context and (run := context.run()) is not None:
                args = (framework.TaskContext(task_result=results.of_run(run)), *args)
            return framework.normalize_json(self.declared_as.call(*args, **kwargs))
        except BaseException as error:
            told.remember(error)
            raise


def register(task: framework.AnyTask) -> None:
    """Make a Task known in this process, so that its jobs run here. Raises worker.api.InvalidTask."""
    known = tasks.find(task.module_path)
    if known is None or (isinstance(known.function, Body) and known.function.declared_as.func is not task.func):
        tasks.register(tasks.Task(Body(task), task.module_path, backoff=_backoff(task)))


def discover(name: str) -> bool:
    """Import the module that declares a Task of that name, and make it known. False: there is none."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute, None)
    except Exception as error:  # noqa: BLE001  it is the project's, and its jobs are left to others
        signals.module_broken.send_robust(None, task=name, error=error)
        return False
    if isinstance(found, _kinds()) and found.module_path == name:  # type: ignore[attr-defined]
        register(found)  # type: ignore[arg-type]
    return tasks.is_registered(name)


def _of_caller(task: framework.AnyTask) -> Signature:
    """The parameters that a caller gives: the context is none of them."""
    found = signature(task.func)
    return found.replace(parameters=list(found.parameters.values())[1:]) if task.takes_context else found


def _backoff(task: framework.AnyTask) -> Asked | None:
    """Its function, if it has one, which is given what the framework knows of the run. All else is in the row."""
    asked = getattr(task, "backoff", None)
    if not callable(asked):
        return None

    def ask(error: BaseException, job: CurrentJob) -> float | None:
        run = context.run()
        return asked(error, job if run is None else results.of_run(run))  # type: ignore[no-any-return]

    return ask


def _kinds() -> tuple[type, ...]:
    """Where the package stands beside Django's own, another backend may have made a Task of the package's kind."""
    try:
        from django_tasks.base import Task
    except ImportError:
        return (framework.Task,)
    return framework.Task, Task
