"""What "Test your tasks" promises, in a project with nothing but Django's defaults: its test database is in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SETTINGS = """
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"%s}}
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "worker", "schedules", "shop"]
SECRET_KEY = "only for this test"
USE_TZ = True
"""
TASKS = """
from django.contrib.auth.models import User
from schedules import background

@background
def sign_up(name):
    User.objects.create(username=name)
"""
BOTH_KINDS = """
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import TestCase, TransactionTestCase
from schedules.testing import run_jobs
from shop.tasks import sign_up
from worker.models import FinishedJob

class Promises:
    def test_twenty_jobs(self):
        for number in range(20):
            sign_up(f"user {number}")
        assert [job.state for job in run_jobs()] == ["succeeded"] * 20
        assert (User.objects.count(), FinishedJob.objects.count()) == (20, 20)

    def test_an_enqueue_adds_no_callback(self):
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            sign_up("ann")
            run_jobs()
        assert callbacks == []

    def test_process_tasks(self):
        sign_up("ann")
        with self.assertRaisesRegex(CommandError, "schedules.testing.run_jobs"):
            call_command("process_tasks", until_idle=True, verbosity=0)

class InATransaction(Promises, TestCase): ...

class Committed(Promises, TransactionTestCase):
    test_an_enqueue_adds_no_callback = None
"""
WITH_A_WORKER = """
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import TransactionTestCase
from shop.tasks import sign_up

class WholeWay(TransactionTestCase):
    def test_twenty_jobs(self):
        for number in range(20):
            sign_up(f"user {number}")
        call_command("process_tasks", until_idle=True, verbosity=0)
        assert User.objects.count() == 20
"""
WITH_PYTEST = """
import pytest
from django.contrib.auth.models import User
from schedules.testing import run_jobs
from shop.tasks import sign_up

@pytest.mark.django_db
def test_in_a_transaction():
    sign_up("ann")
    assert [job.state for job in run_jobs()] == ["succeeded"]
    assert User.objects.get().username == "ann"

@pytest.mark.django_db(transaction=True)
def test_committed():
    test_in_a_transaction()
"""


def test_jobs_run_in_both_kinds_of_test_case_and_process_tasks_says_at_once_where_it_cannot(tmp_path: Path) -> None:
    done = _run(tmp_path, {"tests.py": BOTH_KINDS}, "-m", "django", "test")

    assert (done.returncode, "Ran 5 tests" in done.stderr) == (0, True), done.stderr


def test_a_worker_runs_beside_a_test_whose_database_is_a_file(tmp_path: Path) -> None:
    done = _run(
        tmp_path, {"tests.py": WITH_A_WORKER}, "-m", "django", "test", database=', "TEST": {"NAME": "test.sqlite3"}'
    )

    assert (done.returncode, "Ran 1 test" in done.stderr) == (0, True), done.stderr


def test_jobs_run_under_pytest_django(tmp_path: Path) -> None:
    done = _run(tmp_path, {"test_shop.py": WITH_PYTEST}, "-m", "pytest", "-q", "-p", "no:cacheprovider", "shop")

    assert (done.returncode, "2 passed" in done.stdout) == (0, True), done.stdout


def _run(folder: Path, files: dict[str, str], *arguments: str, database: str = "") -> subprocess.CompletedProcess[str]:
    app = folder / "shop"
    app.mkdir()
    for name, text in {"__init__.py": "", "tasks.py": TASKS, **files}.items():
        (app / name).write_text(text)
    (folder / "project.py").write_text(SETTINGS % database)
    (folder / "pytest.ini").write_text("[pytest]\n")
    path = f"{folder}{os.pathsep}{Path.cwd()}"
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "project"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
