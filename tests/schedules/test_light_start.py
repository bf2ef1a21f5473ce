"""What Django's start and a worker import because of us: nothing that only a schedule with a cron expression needs."""

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
