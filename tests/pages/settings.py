"""A project that uses such an app."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as PLAIN

INSTALLED_APPS = [*PLAIN, "django_tasks", "tests.pages"]
TASKS = {"default": {"BACKEND": "worker.backends.DatabaseBackend"}}
