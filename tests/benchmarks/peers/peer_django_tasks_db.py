"""django-tasks-db: the database backend of Django's tasks. It looks for work ten times a second (its default: once)."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.management import call_command
from django.db import connection

from tests.benchmarks.peers.django_project import set_up

set_up("django_tasks_db", TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}})

from django.tasks import task
from django_tasks_db.models import DBTaskResult

from tests.benchmarks.peers.perform import Clock
from tests.benchmarks.peers.record import began


@task
def job(number: int) -> None:
    began(number)


def prepare() -> None:
    call_command("migrate", verbosity=0)


def enqueue(numbers: Iterable[int], clock: Clock) -> None:
    connection.ensure_connection()
    with clock:
        for number in numbers:
            job.enqueue(number)


def left() -> int:
    return DBTaskResult.objects.filter(finished_at=None).count()


def work(*, quiet: bool) -> None:
    call_command("db_worker", interval=0.1, startup_delay=False, verbosity=0 if quiet else 1, reload=False)
