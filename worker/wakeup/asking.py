"""How often a process polls for work: at once after something happened, and less and less often while nothing does."""

from __future__ import annotations

from django.db import connections

from worker.options import options
from worker.sessions.connection import behind_pooler
from worker.wakeup.ways import WAYS


def is_told(alias: str) -> bool:
    """Whether processes hear of news in this database, and need not ask so often."""
    connection = connections[alias]
    match options().WAKEUP:
        case "poll":
            return False
        case "auto" if behind_pooler(connection):
            return False
        case _:
            return connection.vendor in WAYS


def longest_wait(alias: str) -> float:
    """Seconds between two questions of an idle process: many where it is told of news, few where not."""
    return 1.0 if is_told(alias) else 0.2
