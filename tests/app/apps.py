"""A small app whose tasks leave traces, so that a test can count what ran."""

from django.apps import AppConfig


class TestedAppConfig(AppConfig):
    """Stands for a user's app. It has no migrations: its one table is made with the test database."""

    name = "tests.app"
    default_auto_field = "django.db.models.BigAutoField"
