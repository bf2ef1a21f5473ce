"""Projects other than the tests' own: with other labels for the apps, and with wrong options."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = """
from schedules.apps import SchedulesConfig
from worker.apps import WorkerConfig

class Clock(SchedulesConfig):
    label = "carillon_clock"
    default = False

class Queue(WorkerConfig):
    label = "carillon_queue"
    default = False
"""
SETTINGS = """
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
INSTALLED_APPS = ["relabelled.Queue", "relabelled.Clock"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
SECRET_KEY = "only for this test"
USE_TZ = True
SCHEDULES = {"checked": {"task": "manage:check", "repeat": "1 month"}}
"""


def test_a_project_may_relabel_both_apps_and_migrate_and_work(tmp_path: Path) -> None:
    for command in (["migrate", "-v0"], ["makemigrations", "--check"], ["process_tasks", "--leader", "--until-idle"]):
        done = _manage(tmp_path, SETTINGS, *command)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_option_is_told_by_the_check_with_what_was_meant(tmp_path: Path) -> None:
    done = _manage(tmp_path, f"{SETTINGS}SCHEDULER = {{'TREADS': 4}}", "check")

    assert done.returncode != 0
    assert '(worker.E001) SCHEDULER["TREADS"] is not an option. Did you mean "THREADS"?' in done.stderr


def test_a_wrong_option_of_tasks_is_told_though_nothing_has_imported_their_framework(tmp_path: Path) -> None:
    tasks = {"default": {"BACKEND": "worker.backends.DatabaseBackend", "OPTIONS": {"max_attemps": 4}}}

    done = _manage(tmp_path, f"{SETTINGS}TASKS = {tasks}", "check")

    assert done.returncode != 0
    assert '(worker.E006) TASKS["default"]: OPTIONS: "max_attemps" is not an option.' in done.stderr


def _manage(folder: Path, settings: str, *command: str) -> subprocess.CompletedProcess[str]:
    (folder / "relabelled.py").write_text(PROJECT)
    (folder / "project.py").write_text(settings)
    path = f"{folder}{os.pathsep}{Path.cwd()}"
    return subprocess.run(
        [sys.executable, "-m", "django", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "project"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
