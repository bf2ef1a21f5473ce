"""Whether a line of somebody else's logger would go anywhere, for whoever can spare the trouble of making it."""

from __future__ import annotations

import logging
from types import FunctionType

from django.conf import settings
from django.utils.log import RequireDebugTrue


def is_taken(log: logging.Logger, level: int = logging.INFO) -> bool:
    """By a handler of that logger or above it. Under Django's own LOGGING none takes `INFO`, unless DEBUG is on."""
    if not log.isEnabledFor(level):
        return False
    if log.filters or _is_watched(log):
        return True
    logger: logging.Logger | None = log
    while logger is not None:
        for handler in logger.handlers:
            if handler.level <= level and not _is_shut(handler):
                return True
        logger = logger.parent if logger.propagate else None
    return False


def _is_watched(log: logging.Logger) -> bool:
    """Services that collect logs put a function of their own in the place of the one that calls the handlers."""
    calls = logging.Logger.callHandlers
    is_pythons = isinstance(calls, FunctionType) and calls.__code__.co_filename == logging.info.__code__.co_filename
    return type(log) is not logging.Logger or not is_pythons


def _is_shut(handler: logging.Handler) -> bool:
    """Django's filter for DEBUG drops all lines, and nothing of the handler has seen them before."""
    return bool(handler.filters) and type(handler.filters[0]) is RequireDebugTrue and not settings.DEBUG
