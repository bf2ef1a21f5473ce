"""Tasks that are declared, and calls that are made, too early or where they cannot work: a sentence says what to do.

Each stands in a project of its own, since it is the import of a project that goes wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = """
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
INSTALLED_APPS = ["worker", "schedules", "shop"]
ROOT_URLCONF = "shop.urls"
SECRET_KEY = "only for this test"
USE_TZ = True
"""
REPORT = "from schedules import background\n\n@background\ndef report(): ...\n"
CONFIG = "from django.apps import AppConfig\n\nclass Shop(AppConfig):\n    name = 'shop'\n"


@pytest.mark.parametrize("door", ["background", "scheduled"])
def test_a_task_in_the_module_of_an_app_config_is_refused_and_told_where_to_put_it(tmp_path: Path, door: str) -> None:
    said = _fails(tmp_path, {"apps.py": f"from schedules import {door}\n{CONFIG}"}, "-m", "django", "check")

    assert said.endswith(
        f"AppRegistryNotReady: schedules.{door} is imported before Django has loaded its apps: put tasks into tasks.py "
        "of an app, or import their module in ready() of its AppConfig."
    )


def test_a_task_in_a_module_that_ready_imports_is_known(tmp_path: Path) -> None:
    config = f"{CONFIG}\n    def ready(self):\n        from shop import reports\n"
    asks = "from worker.tasks import is_registered; print(is_registered('shop.reports.report'))"

    done = _run(tmp_path, {"apps.py": config, "reports.py": REPORT}, "-c", f"import django; django.setup(); {asks}")

    assert done.stdout.strip() == "True", done.stderr


def test_a_task_of_the_script_that_runs_is_refused_since_no_worker_finds_it(tmp_path: Path) -> None:
    said = _fails(tmp_path, {"script.py": f"import django\n\ndjango.setup()\n{REPORT}"}, "shop/script.py")

    assert said.endswith(
        'InvalidTask: Task "__main__.report": it is defined in the script that runs, where no worker can find it: '
        "move it into a module, such as tasks.py."
    )


@pytest.mark.parametrize(
    "call",
    [
        "report()",
        "report.enqueue_many([((), {})])",
        "report(remove_existing_tasks=True)",
        "report(repeat=60)",
        "api.schedule(report, name='report', repeat=60)",
        "api.get('report')",
    ],
)
def test_a_call_before_migrate_says_to_run_it_and_that_a_call_at_import_would_keep_it_from_running(
    tmp_path: Path, call: str
) -> None:
    urls = f"from schedules import api\nfrom shop.tasks import report\n{call}\nurlpatterns = []\n"

    said = _fails(tmp_path, {"tasks.py": REPORT, "urls.py": urls}, "-m", "django", "migrate")

    assert "worker.api.TablesMissing: " in said
    assert said.endswith(
        '): the tables are missing in database "default": run manage.py migrate, and make no call while a module is '
        "imported, which would come before it; @scheduled declares without a call."
    )


WITHOUT_US = SETTINGS.replace('"worker", "schedules", ', "")
OFFERED = """
from schedules import HOURLY, background, scheduled
from worker import Cancel

@background(queue="mail", atomic=True)
def report(number):
    return number * 2

@scheduled(cron="0 4 * * *")
@background
def nightly():
    return "done"

@scheduled(repeat=HOURLY)
def hourly():
    return "done"
"""


def test_in_a_project_without_our_apps_a_task_is_declared_and_runs_by_now(tmp_path: Path) -> None:
    asks = "from shop import tasks as t; print(t.report.now(21), t.report.using(queue='a').now(4), t.report.__name__)"
    asks += "; print(t.nightly.now(), t.hourly.now())"

    done = _run(tmp_path, {"tasks.py": OFFERED}, "-c", f"import django; django.setup(); {asks}", settings=WITHOUT_US)

    assert done.stdout.split("\n")[:2] == ["42 8 report", "done done"], done.stderr


@pytest.mark.parametrize(
    "call",
    [
        "report(7)",
        "report(7, schedule=60)",
        "report.enqueue(7)",
        "report.enqueue_many([((7,), {})])",
        "report.using(schedule=60).enqueue(7)",
        "asyncio.run(report.aenqueue(7))",
        "asyncio.run(report.aenqueue_many([((7,), {})]))",
    ],
)
def test_in_a_project_without_our_apps_a_call_says_what_to_install(tmp_path: Path, call: str) -> None:
    script = f"import asyncio, django; django.setup(); from shop.tasks import report; {call}"

    said = _fails(tmp_path, {"tasks.py": OFFERED}, "-c", script, settings=WITHOUT_US)

    assert said == (
        'django.core.exceptions.ImproperlyConfigured: shop.tasks.report: to run it in the background, add "schedules" '
        'and "worker" to INSTALLED_APPS and run manage.py migrate; without them, only .now(…) runs it.'
    )


def test_a_model_s_module_may_declare_a_task_in_a_project_without_our_apps(tmp_path: Path) -> None:
    done = _run(tmp_path, {"models.py": OFFERED}, "-m", "django", "check", settings=WITHOUT_US)

    assert done.returncode == 0, done.stderr


def _fails(folder: Path, files: dict[str, str], *arguments: str, settings: str = SETTINGS) -> str:
    """The last line of what it says."""
    done = _run(folder, files, *arguments, settings=settings)
    assert done.returncode != 0, done.stdout
    return done.stderr.strip().splitlines()[-1]


def _run(
    folder: Path, files: dict[str, str], *arguments: str, settings: str = SETTINGS
) -> subprocess.CompletedProcess[str]:
    app = folder / "shop"
    app.mkdir()
    for name, text in {"__init__.py": "", "urls.py": "urlpatterns = []\n", **files}.items():
        (app / name).write_text(text)
    (folder / "project.py").write_text(settings)
    path = f"{folder}{os.pathsep}{Path.cwd()}"
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "project"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
