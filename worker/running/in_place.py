"""What tasks ask about their own jobs where a test runs them: through the connection of the test.

Only that one sees what the test has not committed. It is lent to another thread for the time of a question, when a task
asks in one, or in async code, where Django allows no question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


class InPlace:
    """Of the tasks that run in this thread, or for it."""

    pause = 0.0

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._connection = connections[alias]
        self._thread = get_ident()

    def ask(self, question: Callable[[str], T]) -> T:
        """Raises what the question raises."""
        if get_ident() == self._thread and not _is_async():
            return question(self._alias)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(self._ask_elsewhere, question).result()

    def _ask_elsewhere(self, question: Callable[[str], T]) -> T:
        self._connection.inc_thread_sharing()
        connections[self._alias] = self._connection
        try:
            return question(self._alias)
        finally:
            del connections[self._alias]
            self._connection.dec_thread_sharing()


def _is_async() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
