"""The package django-tasks, which packages declare their tasks with: beside Django's own framework, or in its place."""

from __future__ import annotations

from itertools import chain
from typing import Any

import django_tasks
import django_tasks.signals
import pytest
from django.test import override_settings
from django_tasks import exceptions

from tests.pages import tasks
from tests.processes import StartProcess
from worker import framework
from worker.framework import TaskResultStatus as Status
from worker.models import Job

PROJECT = {"DJANGO_SETTINGS_MODULE": "tests.pages.settings"}
SAVE = """
from django.db import transaction
from tests.app.models import Effect
from tests.pages import tasks

with transaction.atomic():
    Effect.objects.create(key="the home page")
tasks.tell.using(priority=9).enqueue()
tasks.publish.enqueue(page=7)
tasks.fail.enqueue()
"""


@pytest.fixture
def jobs(process: StartProcess) -> list[Job]:
    """What a project with such an app has enqueued, in the order of the calls."""
    saved = process("shell", "-v", "0", "--command", SAVE, environment=PROJECT)
    assert saved.wait(within=30) == 0, saved.output
    return list(Job.objects.order_by("pk"))


def test_tasks_that_a_package_declares_are_run_and_their_results_can_be_read(
    jobs: list[Job], process: StartProcess
) -> None:
    worker = process("process_tasks", "--until-idle", environment=PROJECT)
    assert worker.wait(within=60) == 0, worker.output

    indexed, told, published, failed = (framework.task_backends["default"].get_result(str(job.pk)) for job in jobs)
    assert (indexed.status, indexed.return_value) == (Status.SUCCESSFUL, "indexed the home page")
    assert (told.return_value, told.task.priority) == ([1, "RUNNING"], 9)
    assert published.return_value == {"page": 7}
    assert (failed.status, failed.attempts) == (Status.FAILED, 2)
    assert {error.exception_class for error in failed.errors} == {LookupError}


def test_a_result_is_found_by_the_package_as_by_the_framework(jobs: list[Job]) -> None:
    id = str(jobs[1].pk)
    result: Any = tasks.tell.get_result(id)

    backends: list[Any] = [django_tasks.default_task_backend, framework.task_backends["default"]]
    assert [backend.get_result(id) for backend in backends] == [result, result]
    assert result.status == django_tasks.TaskResultStatus.READY


@pytest.mark.parametrize("kind", [exceptions.TaskResultDoesNotExist, framework.TaskResultDoesNotExist])
def test_that_there_is_no_result_can_be_caught_by_either_name(database: None, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="404"):
        tasks.tell.get_result("404")


@pytest.mark.parametrize("kind", [exceptions.InvalidTaskError, framework.InvalidTask])
def test_what_is_wrong_with_a_task_can_be_caught_by_either_name(kind: type[Exception]) -> None:
    with pytest.raises(kind, match="priority"):
        tasks.tell.using(priority=101)


def test_what_is_wrong_with_the_settings_is_said_once() -> None:
    wrong = {"default": {"BACKEND": "worker.backends.DatabaseBackend", "OPTIONS": {"backof": 7}}}

    with override_settings(TASKS=wrong):
        handlers: list[Any] = [framework.task_backends, django_tasks.task_backends]
        backends = {id(backend): backend for handler in handlers for backend in handler.all()}
        told = list(chain.from_iterable(backend.check() for backend in backends.values()))

    assert [message.id for message in told] == ["worker.E006"]
