"""Who speaks in the log: a logger of ours, which the project knows by its name."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from worker.events import say_unheard
from worker.log import writer
from worker.log.line import Line


class Speaker:
    """Its methods never raise: whoever tells of something does not suffer from it."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def is_heard(self, level: int) -> bool:
        """Whether the project wants to know of what is so loud."""
        try:
            return self._logger.isEnabledFor(level)
        except BaseException as error:  # noqa: BLE001  a logger may be of the project's own class
            say_unheard(error)
            return False

    def say(self, lines: Sequence[Line]) -> None:
        """All of them, as far as they are heard, and in this order."""
        levels = {level for level in {line.level for line in lines} if self.is_heard(level)}
        if heard := [line for line in lines if line.level in levels]:
            writer.write(self._logger, heard)

    def debug(self, message: str, *args: Any) -> None:
        self.say([Line(logging.DEBUG, message, args)])

    def info(self, message: str, *args: Any) -> None:
        self.say([Line(logging.INFO, message, args)])

    def warning(self, message: str, *args: Any) -> None:
        self.say([Line(logging.WARNING, message, args)])

    def error(self, message: str, *args: Any, traceback: str = "") -> None:
        """`traceback`: as `indented` makes it."""
        self.say([Line(logging.ERROR, message, args, traceback)])
