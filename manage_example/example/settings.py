"""Settings of the example: one SQLite file, and all that the project makes in the folder beside it."""

import os
from pathlib import Path

import django

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("EXAMPLE_DATA", BASE_DIR / "data"))
# SQLite makes its file, but not the folder.
DATA.mkdir(parents=True, exist_ok=True)

# For your own machine only. Before others can reach it: https://docs.djangoproject.com/en/stable/howto/deployment/checklist/
SECRET_KEY = "only for the example"
DEBUG = True

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "schedules",
    "worker",
    "photos",
    "example",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
            ],
        },
    },
]

ROOT_URLCONF = "example.urls"
LOGIN_URL = "log-in"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "gallery"
STATIC_URL = "static/"
MEDIA_URL = "media/"
MEDIA_ROOT = DATA / "media"

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    # Not for visitors. A job that runs again writes its file again.
    "reports": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA / "reports", "allow_overwrite": True},
    },
}

# An e-mail is a file, which anybody can read in an editor.
if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "OPTIONS": {"file_path": DATA / "mail"},
        },
    }
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = DATA / "mail"

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "example.sqlite3",
        "OPTIONS": {
            # A transaction that will write waits for its turn at its beginning, where waiting is possible.
            "transaction_mode": "IMMEDIATE",
            # Readers and the one writer do not wait for each other.
            "init_command": "PRAGMA journal_mode = WAL",
        },
    },
}

USE_TZ = True
TIME_ZONE = "Europe/Riga"

SCHEDULER = {"THREADS": 4}

SCHEDULES = {
    "clear-sessions": {
        "task": "manage:clearsessions",
        "cron": "15 4 * * *",
    },
    "nightly-report": {
        "task": "photos.tasks.write_report",
        "cron": "30 2 * * *",
        "timezone": "Europe/Paris",
    },
}
