"""The connections that the jobs of one slot open: kept while jobs follow each other, and looked at between them.

Django closes or checks a request's connections when it ends. A slot does the same, at a price that the smallest
job can pay: when no job follows at once, each second while one always does, and after any job that left a
connection in a state that the next must not find.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError, close_old_connections, connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from worker import signals
from worker.clock import Monotonic

LONGEST_USE = 1.0
"""Seconds after which connections are looked at as between two requests, although jobs follow each other."""
BREAK = 0.1
"""Seconds without a job after which the next one no longer follows at once."""


class SlotConnections:
    """Those that this thread opens, from the moment that this is made."""

    def __init__(self, clock: Monotonic) -> None:
        self._clock = clock
        self._opened: list[BaseDatabaseWrapper] = []
        self._used_since = self._clock.monotonic()
        self.in_use = False
        """Jobs had connections, which nobody has looked at since."""
        _of_thread.opened = self._opened

    def after_job(self) -> None:
        if not self._opened:
            return
        if self._clock.monotonic() > self._used_since + LONGEST_USE or any(map(_is_tainted, self._opened)):
            self.close_spent()
            return
        self.in_use = True
        for connection in self._opened:  # before its next use, Django sees whether the server has closed it meanwhile
            connection.health_check_enabled = True  # type: ignore[attr-defined]
            connection.health_check_done = False  # type: ignore[attr-defined]

    def close_spent(self) -> None:
        """Close those that are broken, or older than CONN_MAX_AGE."""
        self.in_use = False
        self._used_since = self._clock.monotonic()
        reset_queries()
        _close_by(close_old_connections)

    def close(self) -> None:
        """Close all: the slot ends."""
        _close_by(connections.close_all)


def _close_by(close: Callable[[], None]) -> None:
    """One that cannot be closed is dropped all the same, and no fault of the job before it or after it."""
    try:
        close()
    except (DatabaseError, InterfaceError) as error:
        signals.connection_unclosed.send_robust(None, error=error)


def _is_tainted(connection: BaseDatabaseWrapper) -> bool:
    """It had an error that may have broken it, or a transaction was begun by hand and not ended."""
    return connection.connection is not None and (
        connection.errors_occurred or connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
    )


def _remember(connection: BaseDatabaseWrapper, **_: Any) -> None:
    opened = getattr(_of_thread, "opened", None)
    if opened is not None and connection not in opened:
        opened.append(connection)


_of_thread = threading.local()
connection_created.connect(_remember)
