"""django-background-tasks: jobs in the worker itself, one by one; idle, it looks ten times a second.

Its default is a look each 5 s, and between two jobs it always pauses for up to 0.1 s.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from tests.benchmarks.peers.django_project import manage, set_up

set_up("background_task")

from background_task import background
from background_task.models import Task

from tests.benchmarks.peers import chores
from tests.benchmarks.peers.perform import Clock


@background
def job(number: int) -> None:
    chores.do(number)


def prepare() -> None:
    manage("migrate", "-v0")


def enqueue(numbers: Iterable[int], clock: Clock) -> None:
    connection.ensure_connection()
    with clock:
        for number in numbers:
            job(number)


def left() -> int:
    return Task.objects.count()


def work(*, quiet: bool, slots: int | None) -> None:
    manage("process_tasks", "--sleep", "0.1")
