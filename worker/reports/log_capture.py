"""What a run logs, and what a command prints in it, for the log of its job.

A record belongs to the run in whose context it was made: so slots beside each other, and threads that no run has
started, do not mix in. The handler is added to Python's log when the first task with `log=True` runs in this process,
and stays: to take it away would disturb threads that log at that moment.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from copy import copy
from datetime import UTC, datetime
from io import TextIOBase
from typing import TextIO, cast

from worker.reports.log_text import LONGEST, LogText

_FORMATTER = logging.Formatter("%(levelname)s %(name)s: %(message)s")


class Capture:
    """The log of one run. `now`: the database's clock. `changed()` is called when there is something new."""

    def __init__(self, attempt: str, now: Callable[[], datetime], changed: Callable[[LogText], None]) -> None:
        self.text = LogText(f"{attempt}, {_shown(now())}")
        self._now = now
        self._changed = changed
        self._last: logging.LogRecord | None = None

    def record(self, record: logging.LogRecord) -> None:
        """Whatever the record is, it disturbs nobody. One that comes by two handlers is kept once."""
        if record is self._last:
            return
        self._last = record
        try:
            told = _FORMATTER.format(copy(record))  # the formatters of others find nothing of ours in it
        except Exception as error:  # noqa: BLE001  its values are somebody else's
            told = f"{record.levelname} {record.name}: a record that cannot be formatted ({type(error).__name__})"
        self.say(told)

    def say(self, told: str) -> None:
        self.text.add(f"{_shown(self._now())} {told}")
        self._changed(self.text)


captured: ContextVar[Capture | None] = ContextVar("carillon_log", default=None)


def begin(capture: Capture) -> None:
    """From now on, what is logged in this context is kept."""
    captured.set(capture)
    _listen()


@contextmanager
def printing() -> Iterator[dict[str, TextIO]]:
    """Streams for a command that runs here, as `call_command` takes them. None, where nobody keeps what it prints."""
    capture = captured.get()
    if capture is None:
        yield {}
        return
    streams = {"stdout": _Stream(capture, sys.stdout), "stderr": _Stream(capture, sys.stderr)}
    try:
        yield cast("dict[str, TextIO]", streams)
    finally:
        for stream in streams.values():
            stream.end_line()


class _Stream(TextIOBase):
    """Keeps lines, and passes on everything to the stream in whose place it is."""

    def __init__(self, capture: Capture, passes_on: TextIO) -> None:
        self._capture = capture
        self._passes_on = passes_on
        self._begun = ""

    def write(self, text: str) -> int:
        self._passes_on.write(text)
        *lines, begun = f"{self._begun}{text}".split("\n")
        if lines:
            self._capture.say("\n".join(map(_as_seen, lines)))
        self._begun = f"{_as_seen(begun)}\r" if begun.endswith("\r") else _as_seen(begun)
        if len(self._begun) > LONGEST // 2:  # so it is kept whole, with its instant
            self.end_line()
        return len(text)

    def flush(self) -> None:
        self._passes_on.flush()

    def isatty(self) -> bool:
        return False

    def end_line(self) -> None:
        if self._begun:
            self._capture.say(_as_seen(self._begun))
            self._begun = ""


def _as_seen(line: str) -> str:
    """As a terminal shows it, where what follows a carriage return is written over what came before."""
    return line.rstrip("\r").rpartition("\r")[2]


class _Handler(logging.Handler):
    """Gives records to the run in which they were made. It has no lock: each run has its own."""

    def createLock(self) -> None:  # noqa: N802  Python's name
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        capture = captured.get()
        if capture is not None:
            with suppress(Exception):  # what a task logs never fails it
                capture.record(record)
        if logging.lastResort and record.levelno >= logging.lastResort.level and _is_alone(record.name):
            logging.lastResort.handle(record)  # as Python does it where a project has no handler
        return True

    def emit(self, record: logging.LogRecord) -> None:
        self.handle(record)


_HANDLER = _Handler()


def _listen() -> None:
    """At the root, and at each logger that passes nothing on to it. A project may have set up its log anew."""
    loggers = [each for each in [*logging.root.manager.loggerDict.values()] if isinstance(each, logging.Logger)]
    for logger in [logging.root, *(each for each in loggers if not each.propagate)]:
        if _HANDLER not in logger.handlers:
            logger.addHandler(_HANDLER)


def _is_alone(name: str) -> bool:
    """Whether no other handler hears that logger."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        if any(each is not _HANDLER for each in logger.handlers):
            return False
        logger = logger.parent if logger.propagate else None
    return True


def _shown(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
