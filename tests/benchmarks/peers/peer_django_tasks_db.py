"""django-tasks-db: the database backend of Django's tasks. It looks for work ten times a second (its default: once)."""

from __future__ import annotations

from tests.benchmarks.peers.django_project import manage, set_up_backend

set_up_backend("django-tasks-db")

from django_tasks_db.models import DBTaskResult

from tests.benchmarks.peers.framework import enqueue

__all__ = ["enqueue", "left", "prepare", "work"]


def prepare() -> None:
    manage("migrate", "-v0")


def left() -> int:
    return DBTaskResult.objects.filter(finished_at=None).count()


def work(*, quiet: bool, slots: int | None) -> None:
    manage("db_worker", "--interval", "0.1", "--no-startup-delay", "-v0" if quiet else "-v1")
