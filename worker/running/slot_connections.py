"""The connections that the jobs of one slot open: kept while jobs follow each other, and looked at between them.

Django closes or checks a request's connections when it ends. A slot does so less often, because it would cost small
jobs too much: when no job follows at once, once a second while jobs keep coming, and after a job that left a connection
in a bad state. A transaction that a job left open is undone, and the next job gets a new connection.
"""

from __future__ import annotations

import selectors
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import (
    DatabaseError,
    Error,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connections,
    reset_queries,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from worker import signals
from worker.clock import Monotonic
from worker.running.open_transaction import State, TransactionLeftOpen, is_in_memory, is_outdated, state_of, undo
from worker.sessions.file import file_of

LONGEST_USE = 1.0
"""Seconds after which connections are looked at as between two requests, although jobs follow each other."""
BREAK = 0.1
"""Seconds without a job after which the next one no longer follows at once."""


class NoSession(Exception):
    """A job could not begin, for want of a session with the database. That is no fault of its own."""


class SlotConnections:
    """Those that this thread opens, from the moment that this is made. `using`: the database of the queue."""

    def __init__(self, clock: Monotonic, using: str) -> None:
        self._clock = clock
        self._using = using
        self._opened: dict[BaseDatabaseWrapper, _FirstUse] = {}
        self._used_since = self._clock.monotonic()
        self.in_use = False
        """Jobs had connections, which nobody has looked at since."""
        self.gone: set[str] = set()
        """Aliases of those that the job found gone, or could not open, before it had done anything in any."""
        _of_thread.opened = self._opened

    def connect(self, alias: str) -> None:
        """Open a session unless there is one. Raises NoSession if there is none to be had."""
        self._leave_lost_files()
        connection = connections[alias]
        try:
            connection.close_if_health_check_failed()
            connection.ensure_connection()
        except (OperationalError, InterfaceError) as error:
            raise NoSession from error

    def reconnect(self) -> None:
        """Open anew what the last job found gone. Raises NoSession while it cannot be."""
        for alias in list(self.gone):
            self.connect(alias)
            self.gone.discard(alias)

    def begin_job(self) -> None:
        if self._opened:
            self._leave_lost_files()
            for use in self._opened.values():
                use.begin()

    def call(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """What the function returns. Raises TransactionLeftOpen if it left one open."""
        try:
            result = function(*args)
        except (OperationalError, InterfaceError) as error:
            self._look_for_gone(error)
            raise
        if self._opened:
            self.require_no_transaction()
        return result

    def require_no_transaction(self, but: str = "") -> None:
        """Raises TransactionLeftOpen; that of the alias `but` is somebody else's."""
        others = (each for each in self._opened if each.alias != but)
        if left := [each.alias for each in others if state_of(each) is State.IN_TRANSACTION]:
            raise TransactionLeftOpen(left)

    def after_job(self) -> None:
        if not self._opened:
            return
        for connection in list(self._opened):
            self._settle(connection)
        if self._clock.monotonic() > self._used_since + LONGEST_USE or any(map(_is_altered, self._opened)):
            self.close_spent()
        else:
            self.in_use = True

    def close_spent(self) -> None:
        """Close those that are broken, or older than CONN_MAX_AGE. What is left is used after a pause: before that,
        Django looks whether the server has ended it meanwhile.
        """
        self.in_use = False
        self._used_since = self._clock.monotonic()
        reset_queries()
        _close_by(close_old_connections)
        for connection in self._opened:
            connection.health_check_enabled = True  # type: ignore[attr-defined]
            connection.health_check_done = False  # type: ignore[attr-defined]

    def end_all(self) -> None:
        """End all: what is used next is new."""
        for connection in list(self._opened):
            self._end(connection)

    def close(self) -> None:
        """Close all: the slot ends."""
        _close_by(connections.close_all)

    def _leave_lost_files(self) -> None:
        """A database of SQLite may be another one since a connection was opened that is still there."""
        for use in [use for use in self._opened.values() if use.has_lost_its_file]:
            self._end(use.connection)

    def _look_for_gone(self, error: DatabaseError | InterfaceError) -> None:
        if any(use.has_begun for use in self._opened.values()):
            return
        gone = [use.connection for use in self._opened.values() if use.found_it_gone(error)]
        gone += [each for each in connections.all(initialized_only=True) if each not in gone and self._is_refused(each)]
        self.gone.update(each.alias for each in gone)
        for each in gone:
            self._end(each)

    def _is_refused(self, connection: BaseDatabaseWrapper) -> bool:
        """There was none to be had. Of another database than the queue's that may be so for ever: it is an attempt."""
        return connection.alias == self._using and connection.connection is None and connection.errors_occurred

    def _settle(self, connection: BaseDatabaseWrapper) -> None:
        """An error may have come of what a job before had set in the session, so the next job gets another one."""
        state = state_of(connection)
        if state in (State.IN_TRANSACTION, State.LOST) or (state is State.IDLE and connection.errors_occurred):
            self._end(connection)
        elif _is_pooled(connection):
            _close_by(connection.close)  # which gives it back to the pool, for another slot
        elif connection.connection is not None and not connection.autocommit:  # as the project has it
            _close_by(connection.rollback)

    def _end(self, connection: BaseDatabaseWrapper) -> None:
        """Forget Django's wrapper too: what is used next is new."""
        undo(connection)
        if is_in_memory(connection):  # the database would be gone with it
            connection.set_autocommit(connection.settings_dict["AUTOCOMMIT"])
            return
        if _is_pooled(connection) and connection.connection is not None:
            with suppress(Exception):  # the driver's own
                connection.connection.close()  # or the pool would hand it on
        _close_by(connection.close)
        self._opened.pop(connection, None)
        del connections[connection.alias]


class _FirstUse:
    """Sees how the first statement of a job goes, in a session that was there before the job."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.file = file_of(connection)
        self.waits = False
        """There was a session, and no statement has succeeded in it yet."""
        self.has_begun = True
        """The job has done something, or may have, in a session of its own."""
        self.may_be_done = False
        """The first statement has gone out, outside a transaction, to a server that was there."""

    @property
    def has_lost_its_file(self) -> bool:
        return self.file is not None and self.connection.connection is not None and not self.file.is_in_its_place()

    def begin(self) -> None:
        self.has_begun = self.may_be_done = False
        self.waits = self.connection.connection is not None
        if self.waits and self not in self.connection.execute_wrappers:
            self.connection.execute_wrappers.append(self)

    def __call__(self, execute: Callable[..., Any], *what: Any) -> Any:
        self.may_be_done = not self.connection.in_atomic_block and not _has_been_ended(self.connection)
        result = execute(*what)
        self.waits, self.has_begun = False, True
        with suppress(ValueError):
            self.connection.execute_wrappers.remove(self)
        return result

    def reopened(self) -> None:
        self.file = file_of(self.connection)
        self.waits, self.has_begun = False, True

    def found_it_gone(self, error: DatabaseError | InterfaceError) -> bool:
        """Or, on SQLite, of no use: a cursor that another job has left reads what is outdated by now."""
        connection = self.connection
        if not self.waits or not connection.errors_occurred:
            return False
        if is_outdated(error):
            return True
        return not self.may_be_done and (connection.connection is None or not connection.is_usable())


def _has_been_ended(connection: BaseDatabaseWrapper) -> bool:
    """The server has hung up, or is about to: between two statements it says nothing else. Nothing is asked."""
    if connection.vendor == "sqlite" or connection.connection is None:
        return False
    try:
        with connection.wrap_database_errors:
            socket = connection.connection.fileno()
    except Error:  # closed by the driver
        return True
    with selectors.DefaultSelector() as look:
        look.register(socket, selectors.EVENT_READ)
        return bool(look.select(0))


def _close_by(close: Callable[[], None]) -> None:
    """One that cannot be closed is dropped all the same, and no fault of the job before it or after it."""
    try:
        close()
    except (DatabaseError, InterfaceError) as error:
        signals.connection_unclosed.send_robust(None, error=error)


def _is_altered(connection: BaseDatabaseWrapper) -> bool:
    """It is not as the project has it."""
    return connection.connection is not None and connection.autocommit != connection.settings_dict["AUTOCOMMIT"]


def _is_pooled(connection: BaseDatabaseWrapper) -> bool:
    """https://docs.djangoproject.com/en/stable/ref/databases/#connection-pool"""
    return bool(connection.settings_dict["OPTIONS"].get("pool"))


def _remember(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Not a copy, and none that is somebody's own: of those Django knows nothing."""
    opened = getattr(_of_thread, "opened", None)
    if opened is None:
        return
    if connection in opened:
        opened[connection].reopened()
    elif connection in connections.all(initialized_only=True):
        opened[connection] = _FirstUse(connection)


_of_thread = threading.local()
connection_created.connect(_remember)
