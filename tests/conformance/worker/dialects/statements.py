"""The statements of this process: which they are, and that between two of them anything may happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext


@contextmanager
def sent(using: str) -> Iterator[list[str]]:
    """What a session sends meanwhile, with placeholders for values, and where its transactions begin and end."""
    statements: list[str] = []
    with_placeholders: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        with_placeholders.append(sql)
        return execute(sql, params, many, context)

    with CaptureQueriesContext(connections[using]) as log, connections[using].execute_wrapper(watch):
        yield statements
    left = iter(with_placeholders)
    statements += [
        entry["sql"] if entry["sql"] in ("BEGIN", "COMMIT") else next(left) for entry in log.captured_queries
    ]


def explained(connection: BaseDatabaseWrapper, how: str, sql: str, params: Any) -> list[Any]:
    """What the database says to EXPLAIN of it, seen by no wrapper. A plan that is kept is explained as it is."""
    setting, _, statement = sql.rpartition("; ")
    with closing(connection.create_cursor()) as cursor:
        if setting:
            cursor.execute(setting)
        cursor.execute(f"EXPLAIN {how} {statement}", params)
        return list(cursor.fetchall())


class Died(BaseException):
    """Nothing that follows is done, and what was not committed is undone."""


@contextmanager
def before_a_lone_update(act: Callable[[], None]) -> Iterator[None]:
    """Before the first UPDATE that is a transaction by itself, something else happens."""
    waiting = [act]

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if waiting and sql.startswith("UPDATE") and not connection.in_atomic_block:
            waiting.pop()()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield


@contextmanager
def happening_before(number: int, act: Callable[[], object]) -> Iterator[None]:
    """Before the statement of that number, if there are as many, something else happens."""
    left = number

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal left
        left -= 1
        if left == -1:
            act()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield


@contextmanager
def dying_before(number: int) -> Iterator[None]:
    """What is done here ends before the statement of that number, if it has as many."""
    left = number

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal left
        if left == 0:
            raise Died
        left -= 1
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(watch):
            yield
    except Died:
        pass
