"""The smallest Django project around a queue: one database, which the environment names, and the queue's apps."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit


def set_up(*apps: str, **settings: Any) -> None:
    """Called before a queue's models are imported."""
    import django
    from django.conf import settings as configured

    configured.configure(
        SECRET_KEY="only for a benchmark",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", *apps],
        DATABASES={"default": _postgresql() if "PEERS_POSTGRESQL" in os.environ else _sqlite()},
        **settings,
    )
    django.setup()


def set_up_backend(name: str) -> None:
    """With one of the backends that `make conformance` judges in `TASKS`, and its defaults."""
    from tests.backends.contenders import CONTENDERS

    set_up(*CONTENDERS[name].apps, TASKS={"default": {"BACKEND": CONTENDERS[name].backend}})


def manage(*arguments: str) -> None:
    """As `manage.py` does, with the checks that the command asks for."""
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", *arguments])


def _postgresql() -> dict[str, Any]:
    url = urlsplit(os.environ["PEERS_POSTGRESQL"])
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.removeprefix("/"),
        "USER": url.username or "",
        "PASSWORD": url.password or "",
        "HOST": url.hostname,
        "PORT": url.port or "",
        "CONN_MAX_AGE": 600,
    }


def _sqlite() -> dict[str, Any]:
    """Each commit is on the disk before it returns, as with the other stores and by SQLite's own default."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["PEERS_SQLITE"],
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
            "timeout": 20,
        },
    }
