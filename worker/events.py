"""Send signals and write the log, so that a receiver or a log handler that fails stops nothing.

Such a failure is written to standard error.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.dispatch import Signal

from worker.masking import line
from worker.messages.errors import kind_of, message_of, place_of
from worker.repeats import Repeats

MOST_KINDS = 100
"""Failures that are told apart, and counted."""
LONGEST_LINE = 500
"""Characters of what is said of one."""


class Event(Signal):
    """A signal whose receivers raise to no avail, whatever they raise."""

    def send_robust(self, sender: Any, **what: Any) -> list[tuple[Any, Any]]:
        """As Django's, which lets pass what is no `Exception`, and whatever its own log raises."""
        try:
            return super().send_robust(sender, **what)
        except BaseException as error:  # noqa: BLE001  who tells of a job is no part of it
            say_unheard(error)
            return []


def say_unheard(error: BaseException) -> None:
    """One line on standard error: the first time, the tenth, the hundredth … of each kind and place. Never raises."""
    with suppress(BaseException):
        kind, place = kind_of(error), place_of(error)
        times = _count(kind, place)
        if str(times).strip("0") == "1":
            told = line(f"a receiver or a log handler has failed; no job is affected: {kind}: {message_of(error)}")
            sys.stderr.write(f"{told[:LONGEST_LINE]} ({place}; {times} so far)\n")


def say_seldom(say: Callable[..., None], message: str, *args: Any) -> None:
    """To a logger's method, what may be to say again and again: ever more seldom, and how often it was left out."""
    left_out = _repeats.left_out(message % args, time.monotonic())
    if left_out:
        say(f"{message} (and %d more like it)", *args, left_out)
    elif left_out is not None:
        say(message, *args)


def _count(*what: str) -> int:
    if len(_unheard) > MOST_KINDS:
        _unheard.clear()
    _unheard[what] += 1
    return _unheard[what]


_unheard: Counter[tuple[str, ...]] = Counter()
_repeats = Repeats()
"""By this process, whose time it is."""
