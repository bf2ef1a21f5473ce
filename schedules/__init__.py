"""Periodic and delayed jobs for Django, in the database that the project already has. This is the public door."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any


def _require_our_worker() -> None:
    """Raises if a file or folder of the project hides our package. That is not imported: it may do anything."""
    found = find_spec("worker")
    file = Path(found.origin if found and found.origin else "").resolve()
    if file.name.endswith(".py") and file.parent != Path(__file__).resolve().parent.with_name("worker"):
        raise ImportError(
            f'{file.parent if file.name == "__init__.py" else file} stands in the way of the app "worker", in which '
            '"schedules" keeps its jobs: give it another name.'
        )


_require_our_worker()

from schedules.recurrence import (  # noqa: E402  it rests on our worker
    DAILY,
    EVERY_2_WEEKS,
    EVERY_4_WEEKS,
    HOURLY,
    MINUTELY,
    NEVER,
    WEEKLY,
)

if TYPE_CHECKING:
    from schedules.declarations.background import background
    from schedules.declarations.scheduled import scheduled

__all__ = [
    "DAILY",
    "EVERY_2_WEEKS",
    "EVERY_4_WEEKS",
    "HOURLY",
    "MINUTELY",
    "NEVER",
    "WEEKLY",
    "background",
    "scheduled",
]


def __getattr__(name: str) -> Any:
    """The decorators need Django's models, which exist only some time after Django has imported this package.

    In a project that does not install the app, the models never exist.
    """
    if name in ("background", "scheduled"):
        from django.apps import apps
        from django.core.exceptions import AppRegistryNotReady

        try:
            if not apps.is_installed("schedules"):
                from schedules import uninstalled

                return getattr(uninstalled, name)
            from schedules import declarations
        except AppRegistryNotReady as too_early:
            raise AppRegistryNotReady(
                f"schedules.{name} is imported before Django has loaded its apps: put tasks into tasks.py of an app, "
                "or import their module in ready() of its AppConfig."
            ) from too_early
        return getattr(declarations, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
