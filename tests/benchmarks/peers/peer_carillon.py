"""Carillon as its documentation sets it up, with the defaults of all options, on PostgreSQL or SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from datetime import UTC, datetime

from django.db import connection

from tests.benchmarks.peers.django_project import manage, set_up_backend

set_up_backend("Carillon")

from schedules import background
from schedules.api import schedule
from schedules.models import Schedule, identity_of
from tests.benchmarks.peers import chores
from tests.benchmarks.peers.perform import Clock
from worker.models import Job

_IS_ATOMIC = chores.CHORE == chores.INSERT_ATOMICALLY
_do = chores.insert if _IS_ATOMIC else chores.do


@background(atomic=_IS_ATOMIC)
def job(number: int) -> None:
    _do(number)


def prepare() -> None:
    manage("migrate", "-v0")


def enqueue(numbers: Iterable[int], clock: Clock) -> None:
    connection.ensure_connection()
    with clock:
        for number in numbers:
            job(number)


def bulk(numbers: Sequence[int], clock: Clock) -> None:
    connection.ensure_connection()
    with clock:
        job.enqueue_many([((number,), {}) for number in numbers])


def left() -> int:
    return Job.objects.count()


def work(*, quiet: bool, slots: int | None) -> None:
    threads = ["--threads", str(slots)] if slots else []
    manage("process_tasks", *threads, "-v0" if quiet else "-v1")


def declare(total: int, due: int, instant: float) -> None:
    if not Schedule.objects.exists():
        first = schedule(job, name="schedule 0", args=[0], repeat=3600).row
        Schedule.objects.bulk_create(_like(first, number) for number in range(1, total))
    at = datetime.fromtimestamp(instant, UTC)
    chosen = Schedule.objects.order_by("pk").values_list("pk", flat=True)[:due]
    Schedule.objects.filter(pk__in=list(chosen)).update(anchor=at, next_run_at=at)


def lead(total: int, due: int, instant: float) -> None:
    manage("process_tasks", "--leader-only", "-v0")


def _like(schedule: Schedule, number: int) -> Schedule:
    """Another row of the same shape: made one by one, ten thousand would take longer than all that is measured."""
    other = copy(schedule)
    other.pk = None
    other.name = f"schedule {number}"
    other.identity = identity_of(other.name)
    return other
