"""Tasks of the framework as tasks of this queue: known by name, found in any module, called by a worker."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import Signature, signature
from typing import Any

from asgiref.sync import iscoroutinefunction

from worker import framework, signals, tasks
from worker.backoff import Asked
from worker.current import CurrentJob, runs
from worker.framework import results, told  # noqa: F401  it tells of them
from worker.framework.of_background import BackgroundTask
from worker.results import Encoded, encode, encode_if_plain


class Body:
    """What a worker calls: the function of a Task, as the framework wants it called."""

    def __init__(self, task: framework.AnyTask) -> None:
        self.declared_as = task
        self._call = _call_of(task)
        self.__module__ = task.func.__module__
        self.__qualname__ = task.func.__qualname__
        self.__signature__ = _of_caller(task)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.declared_as.takes_context and (run := runs.run()) is not None:
            args = (framework.TaskContext(task_result=results.of_run(run)), *args)
        return _encoded(self._call(*args, **kwargs))


def register(task: framework.AnyTask) -> None:
    """Make a Task known in this process, so that its jobs run here. Raises worker.api.InvalidTask."""
    if isinstance(task, BackgroundTask):  # @background has done it
        if not tasks.is_registered(task.known_as):
            raise tasks.InvalidTask(f"{task.known_as} is not declared with @background in this process.")
        return
    known = tasks.find(task.module_path)
    if known is None or (isinstance(known.function, Body) and known.function.declared_as.func is not task.func):
        tasks.register(tasks.Task(Body(task), task.module_path, backoff=_backoff(task)))


def discover(name: str) -> bool:
    """Import the module that declares a Task of that name, and make it known. False: there is none."""
    module, _, attribute = name.rpartition(".")
    if not module:  # a name that an @background gives
        return False
    try:
        found = getattr(import_module(module), attribute, None)
    except Exception as error:  # noqa: BLE001  it is the project's, and its jobs are left to others
        signals.module_broken.send_robust(None, task=name, error=error)
        return False
    if isinstance(found, _kinds()) and found.module_path == name:  # type: ignore[attr-defined]
        register(found)  # type: ignore[arg-type]
    return tasks.is_registered(name)


def _call_of(task: framework.AnyTask) -> Callable[..., Any]:
    """To ask at each call whether the function is asynchronous takes longer than a small one runs."""
    is_plain = type(task).call is framework.Task.call and not iscoroutinefunction(task.func)
    return task.func if is_plain else task.call


def _encoded(value: Any) -> Encoded:
    """What the framework makes of it. JSON itself it leaves as it is, for more time than it takes to write that."""
    if (text := encode_if_plain(value)) is None:
        value = framework.normalize_json(value)
        text = encode(value)
    return Encoded(value, text)


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
        run = runs.run()
        return asked(error, job if run is None else results.of_run(run))  # type: ignore[no-any-return]

    return ask


def _kinds() -> tuple[type, ...]:
    """Where the package stands beside Django's own, another backend may have made a Task of the package's kind."""
    try:
        from django_tasks.base import Task
    except ImportError:
        return (framework.Task,)
    return framework.Task, Task
