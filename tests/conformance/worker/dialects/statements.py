"""Between two statements of this process anything may happen: another acts, or whoever runs them dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


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
