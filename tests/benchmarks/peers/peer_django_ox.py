"""django-ox: a backend of Django's tasks. It looks for work ten times a second when idle (its default: once)."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from tests.benchmarks.peers.django_project import manage, set_up_backend

set_up_backend("django-ox")

from django_ox.bulk import enqueue_many
from django_ox.models import OxTask

from tests.benchmarks.peers.framework import enqueue, job
from tests.benchmarks.peers.perform import Clock

__all__ = ["bulk", "enqueue", "left", "prepare", "work"]


def prepare() -> None:
    manage("migrate", "-v0")


def bulk(numbers: Sequence[int], clock: Clock) -> None:
    connection.ensure_connection()
    with clock:
        enqueue_many(job, [((number,), {}) for number in numbers])


def left() -> int:
    return OxTask.objects.filter(finished_at=None).count()


def work(*, quiet: bool, slots: int | None) -> None:
    manage("ox_worker", "--interval", "0.1", "--concurrency", str(slots or 1), "-v0" if quiet else "-v1")
