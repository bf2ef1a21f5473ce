"""Where the package django-tasks stands beside Django's own framework, as packages such as Wagtail bring it.

Both then read `TASKS`, each with a backend of its own; what either decorator makes is Django's Task. Who declares by
the package also catches by its names. Nothing here imports it: who knows its names has done so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from worker import framework

P = ParamSpec("P")
R = TypeVar("R")

_ERRORS: dict[type[Exception], str] = {
    framework.InvalidTask: "InvalidTaskError",
    framework.TaskResultDoesNotExist: "TaskResultDoesNotExist",
}
"""Those that a backend raises, with their names in the package."""


def with_both_names(function: Callable[P, R]) -> Callable[P, R]:
    """The framework's errors that it raises can be caught as Django names them, and as the package does."""

    @wraps(function)
    def instead(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except tuple(_ERRORS) as error:
            package = sys.modules.get("django_tasks.exceptions")
            if package is None or isinstance(error, own := getattr(package, _ERRORS[type(error)])):
                raise
            raise _of_both(type(error), own)(*error.args) from error.__cause__

    return instead


def is_of_package(backend: framework.BaseTaskBackend) -> bool:
    """Whether the package has made it for itself, beside the one that Django has."""
    package = sys.modules.get("django_tasks")
    if package is None or package.task_backends is framework.task_backends:
        return False
    return backend.alias in package.task_backends and package.task_backends[backend.alias] is backend


def _of_both(one: type[Exception], other: type[Exception]) -> Any:
    return type(one.__name__, (one, other), {"__module__": one.__module__})
