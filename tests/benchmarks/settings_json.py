"""Settings of the test project with a log in JSON: a line for each record, as log collectors read them."""

from __future__ import annotations

import json
import logging

from tests.settings import *  # noqa: F403  a project's settings, and one more


class Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            told["exception"] = record.exc_text
        return json.dumps(told)


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": Json}},
    "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {
        "worker": {"handlers": ["json"], "level": "INFO"},
        "schedules": {"handlers": ["json"], "level": "INFO"},
    },
}
