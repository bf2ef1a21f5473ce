"""A thread that writes the log, so that neither a slot nor the worker's loop waits for a handler, a disk or a terminal.

What is said is written at once while there is little of it, else many lines together, and always in order. A log that
takes nothing any more costs lines; it holds up neither the jobs nor the end of the process.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from django.db import connections

from worker.events import say_unheard
from worker.log.line import Line, publish
from worker.log.shown import only_reader

MOST_LINES = 10_000
"""That wait to be written, after which whoever says more waits as well."""
LONGEST_STANDSTILL = 5.0
"""Seconds in which nothing is written, after which the log is stuck."""
LOOK_EVERY = 1.0
"""Seconds."""
LEFT_OUT = "%d lines of the log are missing here: for a while it took none"


def write(logger: logging.Logger, lines: Sequence[Line]) -> None:
    """Within `writing()`, soon and in its thread; else here and now. Never raises."""
    if _writer is None or not _writer.take(logger, lines):
        for line in lines:
            publish(logger, line)


def is_at_work() -> bool:
    return _writer is not None


@contextmanager
def writing(look: Callable[[], None]) -> Iterator[None]:
    """Within, a thread writes what is said anywhere in this process. At the end all of it is written.

    `look()`: called in that thread, about once a second.
    """
    global _writer
    writer = _writer = Writer(look)
    try:
        yield
    finally:
        if writer.close():
            _writer = None


class _Said(NamedTuple):
    logger: logging.Logger
    lines: Sequence[Line]
    at: float


class Writer:
    """From its making until it is closed."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._waiting: deque[_Said] = deque()
        self._changed = threading.Condition()
        self._count = 0
        self._written = 0
        self._left_out = 0
        self._is_closed = self._is_stuck = False
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name="carillon-log", daemon=True)
        self._thread.start()

    def take(self, logger: logging.Logger, lines: Sequence[Line]) -> bool:
        """False: it writes no more, or this process is a fork and has no thread that would."""
        if os.getpid() != self._process:
            return False
        said = _Said(logger, lines, time.time())
        with self._changed:
            if self._is_closed and not self._is_stuck:
                return False
            if self._has_room():
                self._waiting.append(said)
                self._count += len(lines)
                self._changed.notify_all()
            else:
                self._left_out += len(lines)
        return True

    def close(self) -> bool:
        """Returns when all is written. False: the log is stuck, and from now on what is said is lost."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        while self._thread.is_alive():
            written = self._written
            self._thread.join(LONGEST_STANDSTILL)
            if self._thread.is_alive() and self._written == written:
                self._is_stuck = True
                return False
        return True

    def _has_room(self) -> bool:
        """Waits for it while the log moves. The thread itself would wait for ever."""
        while not self._is_stuck and not self._is_taken():
            written = self._written
            if not self._changed.wait_for(self._is_taken, LONGEST_STANDSTILL):
                self._is_stuck = self._written == written
        return not self._is_stuck

    def _is_taken(self) -> bool:
        return self._count < MOST_LINES or threading.current_thread() is self._thread

    # In its thread

    def _work(self) -> None:
        look_at = time.monotonic() + LOOK_EVERY
        while self._waiting or not self._is_closed:
            try:
                if said := self._next(look_at - time.monotonic()):
                    self._write(said)
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + LOOK_EVERY
                    self._look()
            except BaseException as error:  # noqa: BLE001  it may take the next lines
                say_unheard(error)
        connections.close_all()  # handlers of the project may have opened some

    def _next(self, within: float) -> _Said | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed, max(0.0, within))
            if not self._waiting:
                return None
            said = self._waiting.popleft()
            self._count -= len(said.lines)
            self._written += 1
            self._is_stuck = False
            self._changed.notify_all()
        return said

    def _write(self, said: _Said) -> None:
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            publish(said.logger, Line(logging.WARNING, LEFT_OUT, (left_out,)))
        if reader := only_reader(said.logger):
            reader.show(said.logger.name, said.lines, said.at)
            return
        for line in said.lines:
            publish(said.logger, line, said.at)
            self._written += 1


_writer: Writer | None = None
