"""A project that somebody works on, for `process_tasks --reload`: one app with one task, in a folder of its own."""

from __future__ import annotations

from itertools import count
from pathlib import Path

SETTINGS = """
from tests.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "workshop"]
SCHEDULER = {"GRACE": 0.2, "HEARTBEAT": 0.5}
"""
TASKS = """
import threading
from schedules import background
from tests.app.models import Effect

@background
def work(trace, seconds):
    Effect.objects.create(key=trace)
    threading.Event().wait(seconds)
"""


class Workshop:
    """A project that somebody works on: an app of its own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tasks = folder / "workshop" / "tasks.py"
        self.tasks.parent.mkdir()
        (self.tasks.parent / "__init__.py").touch()
        (folder / "workshop_settings.py").write_text(SETTINGS)
        self._versions = count(1)
        self.save()

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.folder), "DJANGO_SETTINGS_MODULE": "workshop_settings"}

    def save(self, code: str = TASKS) -> None:
        self.tasks.write_text(f"{code}\nversion = {next(self._versions)}\n")
