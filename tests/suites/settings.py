"""Settings of a project in which the tests of others run: the two apps, and the database that the run names."""

from tests.databases import django_settings, url_of_this_run

SECRET_KEY = "only for tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["schedules", "worker"]
DATABASES = {"default": django_settings(url_of_this_run())}
TASKS = {"default": {"BACKEND": "worker.backends.DatabaseBackend"}}
