"""Django's framework for tasks: what is used of it here, by one set of names.

Django has it from 6.0 on. For Django 5.2 the package django-tasks has the same, with other names for two errors. Where
both are installed, both read the setting `TASKS`, and what the package's decorator declares is a Task of Django's.

https://docs.djangoproject.com/en/stable/topics/tasks/
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

from worker.arguments import MOST_LEVELS

if TYPE_CHECKING or find_spec("django.tasks"):
    from django.tasks import Task, TaskContext, TaskResult, TaskResultStatus, task, task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import TaskError
    from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist, TaskResultMismatch
    from django.tasks.signals import task_enqueued, task_finished, task_started
    from django.utils.json import normalize_json as _normalize_json
else:
    import django_tasks.checks  # noqa: F401  Django's own come with it
    from django_tasks import TaskContext, TaskResult, TaskResultStatus, task, task_backends
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import Task, TaskError
    from django_tasks.exceptions import InvalidTaskError as InvalidTask
    from django_tasks.exceptions import TaskResultDoesNotExist, TaskResultMismatch
    from django_tasks.signals import task_enqueued, task_finished, task_started
    from django_tasks.utils import normalize_json as _normalize_json

AnyTask: TypeAlias = "Task[Any, Any]"
AnyResult: TypeAlias = "TaskResult[Any, Any]"

__all__ = [
    "AnyResult",
    "AnyTask",
    "BaseTaskBackend",
    "InvalidTask",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultMismatch",
    "TaskResultStatus",
    "normalize_json",
    "task",
    "task_backends",
    "task_enqueued",
    "task_finished",
    "task_started",
]


def normalize_json(value: Any) -> Any:
    """What the framework makes of the value, for JSON. Raises TypeError for one that JSON cannot hold."""
    try:
        return _normalize_json(value)
    except RecursionError:
        raise TypeError(
            f"It is nested too deeply, or contains itself; at most {MOST_LEVELS} levels are allowed."
        ) from None
