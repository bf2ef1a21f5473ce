"""Who is judged: which apps a backend needs, and how its own worker runs all that is due. Knows no queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import django

_OF_DJANGO = "django.tasks.backends" if django.VERSION >= (6, 0) else "django_tasks.backends"


@dataclass(frozen=True)
class Contender:
    name: str
    backend: str
    """The dotted path of its class."""
    apps: tuple[str, ...] = ()
    environment: str = ""
    """Of `requirements/`. Empty: that of the tests."""
    worker: tuple[str, ...] = ()
    """The command that runs all that is due, and ends. Empty: nothing does."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """In TASKS. A Task that fails is to have failed: one attempt."""

    @property
    def drain(self) -> str:
        return "tests.backends.settings.drain" if self.worker else ""

    @property
    def tasks(self) -> dict[str, Any]:
        return {"default": {"BACKEND": self.backend, "OPTIONS": dict(self.options)}}


CONTENDERS = {
    each.name: each
    for each in (
        Contender(
            "Carillon",
            "worker.backends.DatabaseBackend",
            ("schedules", "worker"),
            worker=("process_tasks", "--until-idle", "--threads", "1", "-v0"),
        ),
        Contender("Immediate", f"{_OF_DJANGO}.immediate.ImmediateBackend"),
        Contender("Dummy", f"{_OF_DJANGO}.dummy.DummyBackend"),
        Contender(
            "django-tasks-db",
            "django_tasks_db.DatabaseBackend",
            ("django_tasks_db",),
            environment="django-tasks-db",
            worker=("db_worker", "--batch", "--no-startup-delay", "-v2"),  # with less it silences the framework's log
        ),
        Contender(
            "django-ox",
            "django_ox.backend.OxBackend",
            ("django_ox",),
            environment="django-ox",
            options={"MAX_ATTEMPTS": 1},
            worker=("ox_worker", "--batch", "--interval", "0.1", "-v0"),
        ),
    )
}
