"""The decorators in a project that does not install our apps: functions stay usable, and a call says what is missing.

So a reusable app may offer tasks to projects that do not run Carillon. This module must import without our tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import update_wrapper
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from worker.options import options as project_options


class Uninstalled:
    """A task that runs here by `now`, and that no worker can be asked to run."""

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self._function = function
        self._atomic = options.get("atomic", False)
        update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        path = f"{self._function.__module__}.{self._function.__qualname__}"
        raise ImproperlyConfigured(
            f'{path}: to run it in the background, add "schedules" and "worker" to INSTALLED_APPS and run manage.py '
            "migrate; without them, only .now(…) runs it."
        )

    enqueue = enqueue_many = as_task = __call__

    def using(self, **options: Any) -> Uninstalled:
        return self

    async def aenqueue(self, *args: Any, **kwargs: Any) -> NoReturn:
        self(*args, **kwargs)

    aenqueue_many = aenqueue

    def now(self, *args: Any, **kwargs: Any) -> Any:
        with transaction.atomic(using=project_options().DATABASE) if self._atomic else nullcontext():
            return self._function(*args, **kwargs)


def background(name: Any = None, schedule: Any = None, **options: Any) -> Any:
    if callable(name):
        return Uninstalled(name, {})
    return lambda function: Uninstalled(function, options)


def scheduled(**options: Any) -> Any:
    return lambda function: function if isinstance(function, Uninstalled) else Uninstalled(function, options)
