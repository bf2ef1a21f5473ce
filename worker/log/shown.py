"""The log for people who watch a process: one line for each event, as far as LOGGING has no place for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from django.core.management.color import Style, no_style

from worker.log.line import Line

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

OURS = ("worker", "schedules")
MOST_IN_ONE_PIECE = 1000
"""Characters of lines that are written together. A pipe takes 4096 bytes in one piece, whoever else writes to it."""


class Shown(logging.StreamHandler["SupportsWrite[str]"]):
    """`12:00:59 job      shop.tasks.report #8812 succeeded in 0.21s`: the time, who speaks, what happened."""

    def __init__(self, stream: SupportsWrite[str], colours: Style) -> None:
        super().__init__(stream)
        self.colours = colours

    def format(self, record: logging.LogRecord) -> str:
        return self._coloured(record.levelno, _head(record.created, record.name) + super().format(record))

    def show(self, name: str, lines: Sequence[Line], at: float) -> None:
        """What the logger of that name said at this time, in seconds since the epoch; without any record of it."""
        head = _head(at, name)
        self.acquire()
        try:
            for piece in _pieces(self._coloured(line.level, head + line.shown) for line in lines):
                self.stream.write(piece)
            self.flush()
        finally:
            self.release()

    def _coloured(self, level: int, line: str) -> str:
        if level < logging.WARNING:
            return line
        return self.colours.ERROR(line) if level >= logging.ERROR else self.colours.WARNING(line)


def show(stream: SupportsWrite[str], verbosity: int, colours: Style | None = None) -> None:
    """Print the events on a stream, as far as the project's LOGGING has no place for them.

    Verbosity, as of manage.py, says the level where LOGGING gives none. `colours`: Django's, of errors and warnings.
    """
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    for logger in map(logging.getLogger, OURS):
        if logger.level == logging.NOTSET and not _obeys_root(logger):
            logger.setLevel(level)
        if not logger.hasHandlers():
            handler = Shown(stream, colours or no_style())
            handler.addFilter(_Unplaced(logger.name))
            logger.addHandler(handler)


def only_reader(logger: logging.Logger) -> Shown | None:
    """The handler of ours, where no other part of the project's logging sees what this logger says."""
    if type(logger) is not logging.Logger or logger.filters:
        return None
    handlers = [handler for each in _up_from(logger) for handler in each.handlers]
    return handlers[0] if len(handlers) == 1 and isinstance(handlers[0], Shown) else None


class _Unplaced(logging.Filter):
    """Passes what loggers say that have no place of their own for it, between this name and theirs."""

    def filter(self, record: logging.LogRecord) -> bool:
        between = takewhile(lambda each: each.name != self.name, _up_from(logging.getLogger(record.name)))
        return not any(each.handlers for each in between)


def _up_from(logger: logging.Logger | None) -> Iterator[logging.Logger]:
    """The loggers whose handlers are given its records."""
    while logger:
        yield logger
        logger = logger.parent if logger.propagate else None


def _obeys_root(logger: logging.Logger) -> bool:
    """The root logger has a level in any case. It is the project's where the project gave it a handler."""
    return logger.propagate and logging.getLogger().hasHandlers()


def _head(at: float, name: str) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(at))} {name.rpartition('.')[2]:<8} "


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    piece, length = list[str](), 0
    for line in lines:
        if length + len(line) >= MOST_IN_ONE_PIECE and piece:
            yield "".join(piece)
            piece, length = [], 0
        piece += (line, "\n")
        length += len(line) + 1
    yield "".join(piece)
