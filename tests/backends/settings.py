"""Settings of a project that has the backend which is judged, and nothing else. The environment names it."""

import os

from django.core.management import call_command

from tests.backends.contenders import CONTENDERS
from tests.databases import django_settings, url_of_this_run

VARIABLE = "CARILLON_JUDGED_BACKEND"
BROKEN = "CARILLON_BROKEN_BACKEND"
"""Which of `tests.backends.broken` stands in place of ours."""
JUDGED = CONTENDERS[os.environ[VARIABLE]]

SECRET_KEY = "only for tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", *JUDGED.apps]
DATABASES = {"default": django_settings(url_of_this_run())}
TASKS = JUDGED.tasks
if BROKEN in os.environ:
    TASKS = {"default": {"BACKEND": f"tests.backends.broken.{os.environ[BROKEN]}"}}


def drain() -> None:
    """Run all that is due by the worker of the backend. Some end with the exit of their process."""
    try:
        call_command(*JUDGED.worker)
    except SystemExit as end:
        if end.code:
            raise
