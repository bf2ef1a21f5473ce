"""A database router for projects that keep jobs and schedules in another database than `default`."""

from __future__ import annotations

from typing import Any

from django.apps import apps

from worker.options import options


class SchedulerRouter:
    """Tables and queries of both our apps belong to `SCHEDULER["DATABASE"]`, and other tables do not.

    Put it last in DATABASE_ROUTERS: a router before it may let more tables into that database.
    """

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return options().DATABASE if _is_ours(model._meta.app_label) else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        alias = options().DATABASE
        if _is_ours(app_label):
            return db == alias
        return False if db == alias != "default" else None


def _is_ours(label: str) -> bool:
    """By the app's name: a project may have changed its label."""
    return apps.get_app_config(label).name in ("schedules", "worker")
