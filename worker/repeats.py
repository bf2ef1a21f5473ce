"""Rate limiting of log lines: a line that comes again and again is written seldom, with how often it was left out.

Pure: no clock, no log. Lines that differ only in their numbers and durations count as the same.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

SAID_FREELY = 3
"""Lines that are the same: each may be a fact of its own, such as that a process leads again."""
SHORTEST, LONGEST = 5.0, 600.0
"""Seconds between two such lines after that. They double each time."""
FORGOTTEN_AFTER = 60.0
"""Seconds without another one, after which it is said as if for the first time."""
MOST_KINDS = 100
"""That are told apart."""


@dataclass(slots=True)
class _Said:
    at: float
    seen_at: float
    times: int = 1
    silent_for: float = 0.0
    left_out: int = 0


class Repeats:
    """What was said lately, by any thread. Times are those of one monotonic clock."""

    def __init__(self) -> None:
        self._said: dict[str, _Said] = {}
        self._lock = threading.Lock()

    def left_out(self, line: str, now: float) -> int | None:
        """How many lines like this one were left out since the last that was said. None: leave it out as well."""
        kind = _NUMBER.sub("", line)
        with self._lock:
            return self._left_out(kind, now)

    def _left_out(self, kind: str, now: float) -> int | None:
        last = self._said.get(kind)
        if last is None or now - last.seen_at > FORGOTTEN_AFTER:
            self._remember(kind, _Said(now, now))
            return 0
        last.seen_at = now
        if now - last.at < last.silent_for:
            last.left_out += 1
            return None
        self._remember(kind, _Said(now, now, last.times + 1, _silence_after(last)))
        return last.left_out

    def _remember(self, kind: str, said: _Said) -> None:
        if len(self._said) >= MOST_KINDS:
            self._said.clear()
        self._said[kind] = said


def _silence_after(last: _Said) -> float:
    """Once the same is said again."""
    return 0.0 if last.times + 1 < SAID_FREELY else min(LONGEST, max(SHORTEST, 2 * last.silent_for))


_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[dhms]\b(?: \d+[hms]\b)?)?")
"""A duration too: "2h 59m" is a number as "12s" is."""
