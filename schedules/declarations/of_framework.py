"""The Task of Django's framework for a function with @background. A project that asks for none needs no framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import global_settings, settings
from django.core.exceptions import ImproperlyConfigured

from worker.calls import InvalidCall
from worker.tasks import Task

if TYPE_CHECKING:
    from worker.framework.of_background import BackgroundTask


def task_of(task: Task, options: Mapping[str, Any], backend: str | None) -> BackgroundTask:
    """With these options of its calls, those of `worker.calls.CALL`."""
    where = f"{task.name}: as_task()"
    try:
        from worker.framework import of_background
    except ModuleNotFoundError as missing:
        raise ImproperlyConfigured(
            f"{where} needs the framework of Tasks, which Django has from 6.0 on. For this version of Django: "
            "pip install django-tasks."
        ) from missing
    if getattr(settings, "TASKS", None) is getattr(global_settings, "TASKS", None):
        raise ImproperlyConfigured(
            f"{where} needs settings.TASKS, which is not set, so a Task would run where it is enqueued. Write "
            'TASKS = {"default": {"BACKEND": "worker.backends.DatabaseBackend"}}.'
        )
    try:
        return of_background.as_task(task, options, backend)
    except InvalidCall as fault:
        raise InvalidCall(f"{where}: {fault}") from fault
