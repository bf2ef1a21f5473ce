"""django-tasks-db: the database backend of Django's tasks. It looks for work ten times a second (its default: once)."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from tests.benchmarks.peers.django_project import manage, set_up

set_up("django_tasks_db", TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}})

from django.tasks import task
from django_tasks_db.models import DBTaskResult

from tests.benchmarks.peers import chores
from tests.benchmarks.peers.perform import Clock


@task
def job(number: int) -> None:
    chores.do(number)


def prepare() -> None:
    manage("migrate", "-v0")


def enqueue(numbers: Iterable[int], clock: Clock) -> None:
    connection.ensure_connection()
    with clock:
        for number in numbers:
            job.enqueue(number)


def left() -> int:
    return DBTaskResult.objects.filter(finished_at=None).count()


def work(*, quiet: bool, slots: int | None) -> None:
    manage("db_worker", "--interval", "0.1", "--no-startup-delay", "-v0" if quiet else "-v1")
