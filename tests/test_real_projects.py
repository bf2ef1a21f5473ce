"""Projects with the settings that real ones have: check, migrate, a job that runs, and the pages of the admin.

Each stands in a folder of its own, on SQLite, and everything is done by its own `manage.py`, in processes of its own.
What is asked before a job runs, the one that runs it, and what is asked after it are a process each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pytest

MANAGE = """
import os
import sys
from itertools import groupby

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "website.settings"
for is_end, command in groupby(sys.argv[1:], ";".__eq__):
    if not is_end:
        execute_from_command_line(["manage.py", *command])
"""
"""It takes several commands, with ";" between them: a process costs more than most of them."""
SETTINGS = """
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "only for this test"
ALLOWED_HOSTS = ["testserver"]
OPTIONS = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode = WAL"}
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3", "OPTIONS": OPTIONS},
}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "shop",
    "schedules",
    "worker",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "website.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
"""
URLS = """
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
"""
TASKS = """
from pathlib import Path

from schedules import background, scheduled

@background
def report(number):
    Path("report.txt").write_text(f"{number * 2}")

@scheduled(cron="0 4 * * *")
def nightly(): ...
"""
CHECK = ("check", "--fail-level", "INFO")
CALL = "from shop.tasks import report; print(report(21).pk)"
LISTS = (
    "schedules/schedule schedules/occurrence schedules/leadership worker/job worker/finishedjob worker/workerprocess"
)
PAGES = "the pages:\n"
OPEN = f"""
print({PAGES.strip()!r})

from django.contrib.auth import get_user_model
from django.test import Client
from schedules.models import Schedule
from worker.models import FinishedJob

User = get_user_model()
client = Client()
client.force_login(User.objects.create_superuser(**{{User.USERNAME_FIELD: "olga@example.com", "password": "x"}}))
rows = [f"schedules/schedule/{{Schedule.objects.get().pk}}", f"worker/finishedjob/{{FinishedJob.objects.get().pk}}"]
for page in [*"{LISTS}".split(), "schedules/schedule/add", *(f"{{row}}/change" for row in rows)]:
    print(client.get(f"/admin/{{page}}/").status_code, page)
print(client.get("/admin/").content.decode().count("/admin/worker/job/"), "links to jobs")
"""

USERS = """
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

class People(BaseUserManager):
    def create_superuser(self, email, password):
        person = self.model(email=email, is_staff=True, is_superuser=True)
        person.set_password(password)
        person.save(using=self._db)
        return person

class Person(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(primary_key=True)
    is_staff = models.BooleanField(default=False)
    is_active = True
    USERNAME_FIELD = "email"
    objects = People()
"""
DEFAULT_SITE = """
from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig

class BackOffice(AdminSite):
    site_header = "Back office"

class BackOfficeConfig(AdminConfig):
    default_site = "website.office.BackOffice"
"""
OWN_SITE = """
from django.contrib import admin
from django.urls import path

site = admin.AdminSite(name="back-office")
for model, page in admin.site._registry.items():
    site.register(model, type(page))
urlpatterns = [path("admin/", site.urls)]
"""
SECOND_DATABASE = """
DATABASES["jobs"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "jobs.sqlite3", "OPTIONS": OPTIONS}
SCHEDULER = {"DATABASE": "jobs"}
DATABASE_ROUTERS = ["schedules.routers.SchedulerRouter"]
"""


@dataclass(frozen=True)
class Project:
    """What is special about a project: lines that follow its settings, files, and what `migrate` is told."""

    settings: str = ""
    files: dict[str, str] = field(default_factory=dict)
    databases: tuple[str, ...] = ("default",)


PROJECTS = {
    "plain": Project(),
    "custom user": Project("AUTH_USER_MODEL = 'shop.Person'\n", {"shop/models.py": USERS}),
    "custom default site": Project(
        "INSTALLED_APPS[0] = 'website.office.BackOfficeConfig'\n", {"website/office.py": DEFAULT_SITE}
    ),
    "site of its own": Project(files={"website/urls.py": OWN_SITE}),
    "second database": Project(SECOND_DATABASE, databases=("default", "jobs")),
    "no time zones": Project("USE_TZ = False\nTIME_ZONE = 'America/New_York'\n"),
}


def make(folder: Path, project: Project) -> None:
    files = {
        "manage.py": MANAGE,
        "website/__init__.py": "",
        "website/settings.py": SETTINGS + project.settings,
        "website/urls.py": URLS,
        "shop/__init__.py": "",
        "shop/tasks.py": TASKS,
    }
    for name, text in {**files, **project.files}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def manage(folder: Path, *commands: Sequence[str]) -> str:
    """What they write, errors too. None must fail."""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "manage.py", *chain(*((*each, ";") for each in commands))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"manage.py {commands}:\n{done.stdout}"
    return done.stdout


@pytest.mark.parametrize("kind", PROJECTS)
def test_a_project_checks_migrates_runs_a_job_and_opens_its_pages(tmp_path: Path, kind: str) -> None:
    project = PROJECTS[kind]
    make(tmp_path, project)
    if "shop/models.py" in project.files:
        manage(tmp_path, ["makemigrations", "shop"])

    ready = manage(
        tmp_path,
        CHECK,
        *(["migrate", "--verbosity", "0", "--database", alias] for alias in project.databases),
        ["makemigrations", "--check"],
        ["shell", "-v0", "-c", CALL],
    )
    assert "no issues" in ready
    assert "No changes detected" in ready

    manage(tmp_path, ["process_tasks", "--leader", "--until-idle"])
    assert (tmp_path / "report.txt").read_text() == "42"

    listed, opened = manage(tmp_path, ["list_schedule"], ["shell", "-v0", "-c", OPEN]).split(PAGES)
    assert "nightly" in listed
    *pages, links = opened.splitlines()
    assert [page for page in pages if not page.startswith("200 ")] == []
    assert len(pages) == 9
    assert not links.startswith("0 ")


def test_an_app_offers_tasks_in_a_project_that_does_not_install_ours(tmp_path: Path) -> None:
    make(tmp_path, Project("INSTALLED_APPS.remove('schedules')\nINSTALLED_APPS.remove('worker')\n"))

    call = "from shop.tasks import report; report.now(21)"
    tables = "from django.db import connection; print(sorted(connection.introspection.table_names()))"
    said = manage(
        tmp_path, CHECK, ["migrate", "--verbosity", "0"], ["shell", "-v0", "-c", call], ["shell", "-v0", "-c", tables]
    )

    assert "no issues" in said
    assert (tmp_path / "report.txt").read_text() == "42"
    assert "auth_user" in said
    assert "worker_job" not in said
