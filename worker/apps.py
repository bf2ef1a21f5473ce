"""The Django app of the queue. Subclass `WorkerConfig` with another `label` where "worker" is taken."""

from importlib.util import find_spec
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings


def _require_our_schedules() -> None:
    """A file or folder of a project comes first on Python's path. What rests on us is not imported to find out."""
    found = find_spec("schedules")
    file = Path(found.origin if found and found.origin else "").resolve()
    if file.name.endswith(".py") and file.parent != Path(__file__).resolve().parent.with_name("schedules"):
        raise ImportError(
            f'{file.parent if file.name == "__init__.py" else file} stands in the way of the app "schedules", which '
            "has the decorators and the commands: give it another name."
        )


_require_our_schedules()


class WorkerConfig(AppConfig):
    name = "worker"
    default = True
    verbose_name = "Worker"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from worker import checks, codec  # noqa: F401  registers the system checks, and what reads encoded texts

        if any(str(each.get("BACKEND", "")).startswith("worker.") for each in getattr(settings, "TASKS", {}).values()):
            from worker import framework  # noqa: F401  registers the check of TASKS, which nothing else may import
