"""A line of the log: what is said and how loud, before anybody has formatted it.

Where the project's LOGGING wants it, it becomes a record, as if it had been given to the logger itself. But nobody
walks the stack for it: who says it is known.
"""

from __future__ import annotations

import logging
from textwrap import indent
from typing import Any, NamedTuple

from worker.events import say_unheard
from worker.masking import text


class TracebackText(Exception):
    """An exception of which only the text is left. For what asks a record for more than its message."""


class Line(NamedTuple):
    level: int
    message: str
    args: tuple[Any, ...]
    traceback: str = ""
    """As `indented` makes it."""

    @property
    def shown(self) -> str:
        said = self.message % self.args
        return f"{said}\n{self.traceback}" if self.traceback else said


def indented(traceback: str) -> str:
    """Without secrets, and so that no line of it passes for one of the log."""
    return indent(text(traceback), "    ").rstrip()


def publish(logger: logging.Logger, line: Line, at: float | None = None) -> None:
    """Give it to filters, handlers and formatters. They are the project's, and one that raises costs this line.

    `at`: seconds since the epoch, when it was said. None: just now.
    """
    try:
        logger.handle(_record(logger, line, at))
    except BaseException as error:  # noqa: BLE001  who tells of a job is no part of it
        say_unheard(error)


def _record(logger: logging.Logger, line: Line, at: float | None) -> logging.LogRecord:
    error = TracebackText(line.traceback) if line.traceback else None
    info = (type(error), error, None) if error else None
    record = logger.makeRecord(logger.name, line.level, __file__, 0, line.message, line.args, info)
    record.exc_text = line.traceback or None  # so that no formatter makes it anew
    if at is not None:
        record.relativeCreated -= 1e3 * (record.created - at)
        record.created, record.msecs = at, at % 1 * 1e3 // 1
    return record
