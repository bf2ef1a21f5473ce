"""What tasks ask of the database about their own jobs: in a session of its own, which no task sees.

A task may have broken its transaction, be in async code, or hold a snapshot from before the answer. So one thread a
process asks for all of them. It opens a session when the first task asks, and closes it when none asks any more: who
never asks has neither.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError

from worker.sessions.connection import private_connection

T = TypeVar("T")
PAUSE = 1.0
"""Seconds between two looks of a job at whether it is to stop."""
IDLE = 3.0
"""Seconds without a question after which the session is closed."""


class Enquiries:
    """Of the tasks that run in this process. `alias`: the database of the queue."""

    pause = PAUSE

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._lock = Lock()
        self._is_answering = False

    def ask(self, question: Callable[[str], T]) -> T:
        """Raises what the question raises, and DatabaseError if there is no session or no thread to be had."""
        asked = _Question(question)
        with self._lock:
            if not self._is_answering:
                self._begin_to_answer()
            self._questions.put(asked)
        return asked.answer.result()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the session at once. Whoever asks later gets another one."""
        self._questions.put(None)

    def _begin_to_answer(self) -> None:
        try:
            Thread(target=self._answer, name="carillon-enquiries", daemon=True).start()
        except RuntimeError as error:  # there are too many
            raise OperationalError("There is no thread in which the database could be asked.") from error
        self._is_answering = True

    # In the thread that answers

    def _answer(self) -> None:
        question = self._next()
        while question is not None:
            question = self._answer_in_one_session(question)

    def _answer_in_one_session(self, question: _Question) -> _Question | None:
        """Until nobody asks, or the session is lost. Returns the question that is left."""
        following: _Question | None = question
        is_new = True
        try:
            with private_connection(self._alias, "enquiries") as using:
                while following is not None:
                    following.answer_through(using)
                    is_new, following = False, self._next()
        except Exception as error:  # noqa: BLE001  also what a receiver of connection_created raises
            if following is None or not is_new:
                return following  # once more, in a new session
            following.answer.set_exception(error)
            return self._next()
        return following

    def _next(self) -> _Question | None:
        try:
            return self._questions.get(timeout=IDLE) or self._last()
        except Empty:
            return self._last()

    def _last(self) -> _Question | None:
        """One that came at the last moment, or else this thread ends, and the next question begins another."""
        with self._lock:
            while not self._questions.empty():
                if question := self._questions.get():
                    return question
            self._is_answering = False
            return None


class _Question:
    def __init__(self, ask: Callable[[str], Any]) -> None:
        self._ask = ask
        self.answer: Future[Any] = Future()

    def answer_through(self, using: str) -> None:
        """Raises what the database says against it. Any other error is told to whoever asks."""
        try:
            self.answer.set_result(self._ask(using))
        except (DatabaseError, InterfaceError):
            raise
        except BaseException as error:  # noqa: BLE001  who asks is told
            self.answer.set_exception(error)
