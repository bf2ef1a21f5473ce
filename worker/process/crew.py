"""The threads of a process, and its shutdown: when all are done, when time is up, or after a signal.

The main thread waits on a `SimpleQueue`, the only object that a signal handler may safely use. The wait is measured by
this host's monotonic clock, and by no other.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

from django.db import connections

STOP = "stop"
RETIRE = "retire"
DONE = "done"
LONGEST_WAIT = 1.0
"""Seconds after which the main thread looks up, so that no signal waits longer to be handled."""

Duty = Callable[[], None]


class Crew:
    """Runs each duty in a thread of its own. A signal, the end of the time or a failure calls each of `stops`."""

    def __init__(self, duties: Sequence[Duty], stops: Sequence[Callable[[], None]]) -> None:
        self.duties = duties
        self.stops = stops
        self.news: SimpleQueue[BaseException | str] = SimpleQueue()
        self.retired = False
        """Whether it was told to make room for a new one, before anybody told it to stop."""

    def run(self, duration: float | None) -> None:
        """Returns when all duties are done; raises what the first of them to fail raised. Duration: seconds."""
        with self._obeying_signals():
            for duty in self.duties:
                threading.Thread(target=self._do, args=[duty], name="carillon-duty", daemon=True).start()
            failures = list(self._oversee(math.inf if duration is None else time.monotonic() + duration))
        if failures:
            raise failures[0]

    def stop(self) -> None:
        """As a signal would. From any thread, and in a signal handler."""
        self.news.put(STOP)

    def retire(self) -> None:
        """Stop, to make room for a new one. Neither this nor the signal after it, which asks for the same, hurries."""
        self.news.put(RETIRE)

    def _oversee(self, deadline: float) -> Iterator[BaseException]:
        working = len(self.duties)
        before: list[BaseException | str] = []
        while working:
            news = self._next(deadline)
            if news in (STOP, RETIRE):
                deadline = math.inf
            else:
                working -= 1
            if isinstance(news, BaseException):
                yield news
            if news != DONE:
                self._obey(news, before)
                before.append(news)

    def _obey(self, order: BaseException | str, before: Sequence[BaseException | str]) -> None:
        if order == RETIRE:
            self.retired = not before
        if self.retired if order == RETIRE else before != [RETIRE]:
            self._stop()

    def _next(self, deadline: float) -> BaseException | str:
        while (left := deadline - time.monotonic()) > 0:
            with suppress(Empty):
                return self.news.get(timeout=min(left, LONGEST_WAIT))
        return STOP

    def _do(self, duty: Duty) -> None:
        try:
            duty()
        except BaseException as error:  # noqa: BLE001  the main thread raises it again
            self.news.put(error)
        else:
            self.news.put(DONE)
        finally:
            connections.close_all()

    def _stop(self) -> None:
        for stop in self.stops:
            stop()

    @contextmanager
    def _obeying_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT say stop, until the crew is done. Only the main thread may arrange that."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {signum: signal.signal(signum, lambda *_: self.stop()) for signum in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
