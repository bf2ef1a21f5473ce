"""The how-to's carrier of a tenant, with the real django-tenants, on real schemas of PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.documents import page

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.usefixtures("database")]

CARRIER, SETTINGS = re.findall(
    r"^```python\n(.*?)^```", page("how-to/carry-context.md").text.partition("## Tenants")[2], re.DOTALL | re.MULTILINE
)[:2]
PROJECT = """
import os

DATABASES = {{"default": {{
    "ENGINE": "django_tenants.postgresql_backend", "NAME": "{name}",
    "USER": {user!r}, "PASSWORD": {password!r}, "HOST": {host!r}, "PORT": {port!r},
}}}}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
SHARED_APPS = ["django_tenants", "customers", "django.contrib.contenttypes", "worker", "schedules"]
TENANT_APPS = ["shop"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]
TENANT_MODEL, TENANT_DOMAIN_MODEL = "customers.Client", "customers.Domain"
DEFAULT_AUTO_FIELD, USE_TZ, SECRET_KEY = "django.db.models.BigAutoField", True, "only for this test"
{settings}
"""
FILES = {
    "customers/__init__.py": "",
    "customers/models.py": """
from django_tenants.models import DomainMixin, TenantMixin

class Client(TenantMixin):
    auto_create_schema = True

class Domain(DomainMixin): ...
""",
    "shop/__init__.py": "",
    "shop/models.py": """
from django.db import models

class Order(models.Model):
    text = models.TextField()
""",
    "shop/tenancy.py": CARRIER,
    "shop/tasks.py": """
from schedules import background
from shop.models import Order

@background
def order(text):
    Order.objects.create(text=text)

@background(atomic=True)
def order_atomically(text):
    Order.objects.create(text=text)

@background(max_attempts=1)
def order_and_fail(text):
    raise LookupError(text)
""",
    "work.py": """
import django
django.setup()
from django.core.management import call_command
from django_tenants.utils import schema_context
from customers.models import Client
from schedules import api
from shop.models import Order
from shop.tasks import order, order_and_fail, order_atomically
from worker.models import FinishedJob

for app in ("customers", "shop"):
    call_command("makemigrations", app, verbosity=0)
call_command("migrate_schemas", shared=True, verbosity=0)
for name in ("public", "acme", "beta"):
    Client(schema_name=name).save(verbosity=0)
for name in ("acme", "beta"):
    with schema_context(name):
        order(f"plain of {name}")
        order_atomically(f"atomic of {name}")
        order_and_fail(name)
        api.schedule(order, name=f"nightly of {name}", repeat=3600, args=[f"scheduled of {name}"])
    api.get(f"nightly of {name}").run_now()
call_command("process_tasks", "--until-idle", "--threads", "2", verbosity=0)
for name in ("acme", "beta"):
    with schema_context(name):
        print(name, sorted(Order.objects.values_list("text", flat=True)))
print(sorted(FinishedJob.objects.values_list("state", flat=True)))
""",
}


@pytest.fixture
def other_database() -> Iterator[str]:
    """One of its own, for tenants have schemas in it."""
    name = f"{connection.settings_dict['NAME']}_tenants"
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}"')
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_job_runs_in_the_schema_of_its_call(other_database: str, tmp_path: Path) -> None:
    given = connection.settings_dict
    login = {name.lower(): str(given[name]) for name in ("USER", "PASSWORD", "HOST", "PORT")}
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "project.py").write_text(PROJECT.format(name=other_database, settings=SETTINGS, **login))

    done = subprocess.run(
        [sys.executable, "work.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}",
            "DJANGO_SETTINGS_MODULE": "project",
        },
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-3:] == [
        "acme ['atomic of acme', 'plain of acme', 'scheduled of acme']",
        "beta ['atomic of beta', 'plain of beta', 'scheduled of beta']",
        "['failed', 'failed', 'succeeded', 'succeeded', 'succeeded', 'succeeded', 'succeeded', 'succeeded']",
    ]
