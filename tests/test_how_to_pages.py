"""The how-to pages do what they say: their code, as it stands there, is put into one project, and that is run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from tests.documents import ROOT, page

PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)

TAKE_PAYMENT, TAKEN_ONCE = PYTHON.findall(page("how-to/tasks-that-run-twice.md").text)
PACKAGE, READY, LIBRARY, WRAPPED, MOVED = PYTHON.findall(page("how-to/tasks-elsewhere.md").text)
MAIL, REPORTED, SHIP, IN_JOBS, RECEIVER = PYTHON.findall(page("how-to/errors.md").text)
_, ON_COMMIT = PYTHON.findall(page("how-to/second-database.md").text)
CRONTAB, PROGRAM = PYTHON.findall(page("how-to/from-crontab.md").text)
_, BEAT = PYTHON.findall(page("how-to/from-celery.md").text)
TASKS_SETTING, _, _, _, _, RECEIPTS, AS_TASKS = PYTHON.findall(page("how-to/django-tasks.md").text)
MANY, FORGOTTEN = PYTHON.findall(page("how-to/many-schedules.md").text)
(REFUSED,) = re.findall(r"^```text\n(.*)\n```", page("how-to/many-schedules.md").text, re.MULTILINE)

SETTINGS = f"""
import os
import django

DATABASES = {{
    alias: {{
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{{alias}}.sqlite3",
        "OPTIONS": {{"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode = WAL"}},
    }}
    for alias in ("default", "jobs")
}}
INSTALLED_APPS = [
    *("django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"),
    *("worker", "schedules", "shop.apps.ShopConfig"),
]
SECRET_KEY, USE_TZ = "only for this test", True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ALL = {{}}
{LIBRARY}
ALL |= SCHEDULES
{CRONTAB}
ALL |= SCHEDULES
{BEAT}
SCHEDULES |= ALL
{MAIL}
{TASKS_SETTING}
if django.VERSION < (6, 0):
    ADMINS = [("Ops", address) for address in ADMINS]
if os.environ.get("JOBS_IN"):
    SCHEDULER = {{"DATABASE": os.environ["JOBS_IN"]}}
    DATABASE_ROUTERS = ["schedules.routers.SchedulerRouter"]
"""
SHOP = {
    "__init__.py": "",
    "apps.py": READY,
    "models.py": """
from django.db import models

class Order(models.Model):
    cents = models.IntegerField()
    paid_at = models.DateTimeField(null=True)
""",
    "payments.py": """
keys, taken = set(), 0

def charge(cents, idempotency_key):
    global taken
    taken += 0 if idempotency_key in keys else cents
    keys.add(idempotency_key)
""",
    "stock.py": """
def fetch(): raise OSError("no network")
def clean_up(): ...
""",
    "chat.py": "posted = []; post = posted.append",
    "invoices.py": MOVED,
    "digests.py": MANY + FORGOTTEN,
    "reporting.py": REPORTED,
    "logs.py": IN_JOBS,
    "receipts.py": RECEIPTS,
    "tasks/__init__.py": f"""
{PACKAGE}
{TAKE_PAYMENT}
{WRAPPED}
{RECEIVER}
{PROGRAM}
@background
def send_digest(user): ...
@background
def speak(words):
    import logging
    logging.getLogger("shop").warning(words)
def report(region): ...
def poll(): ...
""",
    "tasks/mail.py": f"""
from schedules import background
from shop.reporting import reported
{SHIP}
{ON_COMMIT}
""",
    "tasks/reports.py": "",
    "management/__init__.py": "",
    "management/commands/__init__.py": "",
    "management/commands/poll.py": "from django.core.management.base import BaseCommand as Command",
    "tests.py": f"""
import io
import logging.config
from types import SimpleNamespace
from django.conf import settings
from django.core import mail
from django.core.management import call_command
from schedules.testing import run_jobs
from schedules.api import InvalidSchedule
from schedules.models import Schedule
from shop import chat, logs
from shop.digests import forget_digests, schedule_digests
from shop.invoices import send
from shop.receipts import send_receipt
from shop.tasks import fetch, speak
from shop.tasks.mail import ship
from worker.models import Job

{TAKEN_ONCE}

class Pages(TestCase):
    def test_tasks_of_a_package_of_another_module_and_of_others_are_known(self):
        names = [each.task.name for each in (ship, send, fetch)]
        assert names == ["shop.tasks.mail.ship", "shop.invoices.send", "shop.stock.fetch"], names

    def test_a_job_of_a_task_that_has_moved_runs(self):
        send(7)
        Job.objects.update(task="shop.tasks.send_invoice")
        assert [job.state for job in run_jobs()] == ["succeeded"]

    def test_a_line_of_the_log_names_the_job_that_wrote_it(self):
        self.addCleanup(logging.config.dictConfig, settings.LOGGING)
        logging.config.dictConfig(logs.LOGGING)
        written = logging.getLogger().handlers[0].stream = io.StringIO()
        job = speak("at sea")
        run_jobs()
        assert f"WARNING shop [shop.tasks.speak #{{job.pk}}, attempt 1] at sea" in written.getvalue()

    def test_what_has_failed_for_good_is_mailed_and_posted(self):
        fetch()
        Job.objects.update(max_attempts=1)
        assert [job.state for job in run_jobs()] == ["failed"]
        (letter,), (posted,) = mail.outbox, chat.posted
        assert "ERROR: shop.stock.fetch #" in letter.subject and "Traceback" in letter.body
        assert posted.startswith("shop.stock.fetch #") and posted.endswith("OSError: no network")

    def test_many_schedules_are_made_again_and_forgotten(self):
        users = [SimpleNamespace(pk=pk, timezone="Europe/Paris") for pk in (1, 2, 3)]
        schedule_digests(users)
        before = list(Schedule.objects.order_by("pk").values())
        assert [each.name for each in schedule_digests(users)] == ["digest-1", "digest-2", "digest-3"]
        assert list(Schedule.objects.order_by("pk").values()) == before
        forget_digests([1, 3])
        assert [each.name for each in Schedule.objects.all()] == ["digest-2"]

    def test_a_wrong_entry_is_told_as_the_page_says(self):
        users = [SimpleNamespace(pk=pk, timezone=zone) for pk, zone in ((1, "Europe/Paris"), (2, "Europe/Pariss"))]
        with self.assertRaises(InvalidSchedule) as refused:
            schedule_digests(users)
        assert str(refused.exception) == {REFUSED!r}, refused.exception
        assert not Schedule.objects.exists()

    def test_a_function_with_background_gives_a_task_and_its_result(self):
        {indent(AS_TASKS, " " * 8).strip()}
        run_jobs()
        result.refresh()
        assert result.return_value == "receipt 7"

    def test_the_schedules_pass_the_checks(self):
        call_command("check", fail_level="WARNING")
""",
}
SENTRY = {
    "__init__.py": "def capture_exception(): ...",
    "integrations/__init__.py": "",
    "integrations/logging.py": "def ignore_logger(name): ...",
}
SECOND_DATABASE = """
import django

django.setup()

from django.core.management import call_command
from django.db import transaction
from shop.models import Order
from shop.tasks.mail import place
from worker.models import FinishedJob

call_command("migrate", verbosity=0, run_syncdb=True)
call_command("migrate", database="jobs", verbosity=0)
with transaction.atomic():
    place(Order(cents=1))
    transaction.set_rollback(True)
place(Order(cents=2))
call_command("process_tasks", until_idle=True, verbosity=0)
assert [order.cents for order in Order.objects.all()] == [2]
assert FinishedJob.objects.using("jobs").get().state == "succeeded"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {f"shop/{name}": text for name, text in SHOP.items()}
    files |= {f"sentry_sdk/{name}": text for name, text in SENTRY.items()}
    for name, text in {"project.py": SETTINGS, "second_database.py": SECOND_DATABASE, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_code_of_the_pages_works_in_a_project(project: Path) -> None:
    done = _run(project, "-m", "django", "test")

    assert (done.returncode, "Ran 9 tests" in done.stderr) == (0, True), done.stderr


def test_jobs_run_in_a_second_database_and_only_for_what_was_committed(project: Path) -> None:
    done = _run(project, "second_database.py", JOBS_IN="jobs")

    assert done.returncode == 0, done.stderr


def _run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **os.environ,
            **settings,
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "DJANGO_SETTINGS_MODULE": "project",
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
