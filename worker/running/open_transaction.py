"""Transactions that a task left open: how one is noticed, and how it is undone."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from types import CoroutineType, GeneratorType, MethodType
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.backends.base.base import BaseDatabaseWrapper

from worker.running.execution import FaultOfCode

SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT = 5, 517
"""https://www.sqlite.org/rescode.html"""


class TransactionLeftOpen(FaultOfCode):
    """The task returned, and had not ended a transaction. So what it wrote in it is undone."""

    def __init__(self, aliases: list[str]) -> None:
        names = ", ".join(f'"{alias}"' for alias in aliases)
        super().__init__(
            f"The task left a transaction open in database {names}, so what it wrote there is undone. "
            "Let it end before the task returns: with transaction.atomic() as a block, or by a commit."
        )


class State(Enum):
    """Of a connection, as far as Django and the driver know without asking the server."""

    CLOSED = "closed"
    IDLE = "idle"
    IN_TRANSACTION = "in transaction"
    """One was begun by hand, in whichever way, and not ended."""
    LOST = "lost"
    """Its session was closed behind Django's back."""


def state_of(connection: BaseDatabaseWrapper) -> State:
    if connection.in_atomic_block:
        return State.IN_TRANSACTION
    if connection.connection is None:
        return State.CLOSED
    state = _state_by_driver(connection)
    if state is State.LOST or not connection.settings_dict["AUTOCOMMIT"]:  # without it, a transaction is always open
        return state if state is State.LOST else State.IDLE
    return state if connection.autocommit else State.IN_TRANSACTION


def undo(connection: BaseDatabaseWrapper) -> None:
    """Roll back, and have the connection be as if nothing had been begun."""
    _close_what_waits_in(connection.atomic_blocks)
    if connection.closed_in_transaction:
        connection.connection = None
    connection.in_atomic_block = connection.needs_rollback = connection.closed_in_transaction = False
    connection.atomic_blocks, connection.savepoint_ids, connection.run_on_commit = [], [], []
    with suppress(DatabaseError, InterfaceError):  # of a session that is lost, the server undoes it
        connection.rollback()


def is_outdated(error: DatabaseError | InterfaceError) -> bool:
    """SQLite: somebody else has written since the connection began to read, and now it is to write."""
    return _code_of_sqlite(error) == SQLITE_BUSY_SNAPSHOT


def is_refused_as_reader(error: DatabaseError | InterfaceError) -> bool:
    """SQLite: the same, or somebody writes just now. It lets nobody wait for the write lock who has begun to read, lest
    two wait for each other: https://www.sqlite.org/rescode.html#busy
    """
    return _code_of_sqlite(error) in (SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT)


def is_in_memory(connection: BaseDatabaseWrapper) -> bool:
    return connection.vendor == "sqlite" and connection.is_in_memory_db()  # type: ignore[attr-defined]


def _code_of_sqlite(error: DatabaseError | InterfaceError) -> int | None:
    return getattr(error.__cause__, "sqlite_errorcode", None)


def _state_by_driver(connection: BaseDatabaseWrapper) -> State:
    try:
        return _STATE_BY_DRIVER[connection.vendor](connection.connection)
    except KeyError:
        return State.IDLE
    except Exception:  # noqa: BLE001  each driver has errors of its own for that
        return State.LOST


def _by_flag(in_transaction: bool) -> State:
    return State.IN_TRANSACTION if in_transaction else State.IDLE


_STATUS = {0: State.IDLE, 4: State.LOST}
_STATE_BY_DRIVER: dict[str, Callable[[Any], State]] = {
    # https://www.psycopg.org/psycopg3/docs/api/pq.html#psycopg.pq.TransactionStatus
    "postgresql": lambda session: _STATUS.get(session.pgconn.transaction_status, State.IN_TRANSACTION),
    "mysql": lambda session: _by_flag(not session.get_autocommit()),
    "sqlite": lambda session: _by_flag(session.in_transaction),
}


def _close_what_waits_in(blocks: Sequence[object]) -> None:
    """A generator that somebody keeps, and that waits in one of these blocks, would leave it at any time later: in the
    middle of another job's transaction, and would roll that back.
    """
    if blocks:
        for each in gc.get_objects():
            if type(each) in (GeneratorType, CoroutineType) and _waits_in(each, blocks):
                with suppress(BaseException):  # it may do anything when it is closed
                    each.close()


def _waits_in(suspended: object, blocks: Sequence[object]) -> bool:
    inside = gc.get_referents(suspended)
    inside += [each.__self__ for each in inside if type(each) is MethodType]
    return any(each is block for each in inside for block in blocks)
