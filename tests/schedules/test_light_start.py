"""What Django's start and a worker import because of us: nothing that only a schedule with a cron expression needs.

And nothing that a worker can do without until its first job.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

START = """
import sys
from django.conf import settings
settings.configure(
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=OURS,
    SCHEDULES={"nightly": {"task": "django.core.management.call_command", "args": ["check"], "cron": "0 5 * * *"}},
)
import django
django.setup()
"""
OURS = '["worker", "schedules"]'
WORKER = "from django.core.management import load_command_class; load_command_class('schedules', 'process_tasks')\n"
WITH_A_JOB = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
from worker import queue
from worker.values import NewJob
queue.enqueue(NewJob("django.core.management.call_command", '[["check"],{}]', "default", 0, 1), "default")
"""
FIRST_JOB = """
import sys
started = []
sys.addaudithook(lambda event, _: started.append(event) if event in ("subprocess.Popen", "os.fork") else None)
from worker.signals import job_started
imported = set()
job_started.connect(lambda **_: imported.update(sys.modules), weak=False)
from django.core.management import call_command
call_command("process_tasks", until_idle=True, skip_checks=False, verbosity=0)
print(*(imported | set(started)))
"""
SHOWN = "print(*sys.modules)"
HEAVY = {
    "croniter",  # its import starts a process
    "django.contrib.admin",
    "django.db.migrations",
    "django.test",
    "importlib.metadata",
    "schedules.admin",
    "schedules.commandline.table",
    "schedules.doctor",
    "schedules.testing",
    "unittest",
    "worker.admin",
}


@pytest.mark.parametrize("more", ["", WORKER], ids=["Django starts", "a worker starts"])
def test_nothing_is_imported_that_is_not_needed(more: str) -> None:
    without_us = _imported(START.replace("OURS", "[]"))

    ours = _imported(START.replace("OURS", OURS) + more) - without_us

    assert "schedules.declarations.configured" in ours
    assert not ours & HEAVY


def test_up_to_its_first_job_a_worker_imports_nothing_more_and_starts_no_process(tmp_path: Path) -> None:
    start = START.replace("OURS", OURS).replace(":memory:", str(tmp_path / "db.sqlite3"))
    no_cron = start.replace('"cron": "0 5 * * *"', '"repeat": 3600')
    _said(no_cron + WITH_A_JOB)

    until_then = set(_said(no_cron + FIRST_JOB).split())

    django_checked = "from django.core.checks import run_checks; run_checks()\n"
    ours = until_then - _imported(no_cron.replace(OURS, "[]") + django_checked)
    assert "worker.process.loop" in ours
    assert not ours & {*HEAVY, "subprocess.Popen", "os.fork"}


def test_tasks_that_settings_name_are_known_all_the_same() -> None:
    known = "from worker import tasks; print(tasks.get('django.core.management.call_command').name)"
    assert _said(START.replace("OURS", OURS) + known) == "django.core.management.call_command"


def test_check_reads_what_settings_declare() -> None:
    wrong = START.replace("OURS", OURS).replace("0 5 * * *", "75 5 * * *")
    checked = "from django.core.checks import run_checks; print(*[e.id for e in run_checks() if 'nightly' in e.msg])"
    assert _said(wrong + checked) == "schedules.E001"


def _imported(code: str) -> set[str]:
    return set(_said(code + SHOWN).split())


def _said(code: str) -> str:
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return ended.stdout.strip()
