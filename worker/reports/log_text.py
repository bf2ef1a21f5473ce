"""The text that is kept of what a run logs: the newest of it, without secrets. Pure but for the names of secrets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from threading import Lock

from worker.masking import text

MOST_BYTES = 64 * 2**10
"""Of a job, all its attempts together. The oldest lines are dropped."""
LONGEST = 16 * 2**10
"""Characters of one record. The rest of it is cut."""
DROPPED = "[earlier lines were dropped]"
HEAD = "=== attempt "
"""How the line begins under which the lines of an attempt stand."""
_ROOM_FOR_HEADS = 512


class LogText:
    """Of one run. `before`: what is kept of earlier attempts, once somebody has read it. Any thread adds lines."""

    def __init__(self, head: str) -> None:
        self.before: str | None = None
        self._head = f"{HEAD}{head} ==="
        self._lock = Lock()
        self._lines: deque[str] = deque()
        self._bytes = 0
        self._has_dropped = False

    def add(self, given: str) -> None:
        """A record, or what was printed. In it are masked and escaped what is in all texts that are shown."""
        cut = f"{text(given[:LONGEST])} … ({len(given):,} characters)" if len(given) > LONGEST else text(given)
        with self._lock:
            for line in cut.split("\n"):
                self._lines.append(line)
                self._bytes += _size(line)
            while self._bytes > MOST_BYTES - _ROOM_FOR_HEADS and self._lines:
                self._bytes -= _size(self._lines.popleft())
                self._has_dropped = True

    def whole(self) -> str:
        """With what is kept of earlier attempts."""
        with self._lock:
            own = [self._head, *([DROPPED] if self._has_dropped else []), *self._lines]
        return "\n".join([*_newest(self.before or "", MOST_BYTES - sum(map(_size, own))), *own])


def _newest(before: str, most: int) -> Iterable[str]:
    """The lines at the end of a text that are not more than so many bytes, under the head of their attempt."""
    lines = deque(before.split("\n")) if before else deque[str]()
    size, head = sum(map(_size, lines)), ""
    if size <= most:
        return lines
    while lines and size > most - _ROOM_FOR_HEADS:
        line = lines.popleft()
        size -= _size(line)
        head = line if line.startswith(HEAD) else head
    return [each for each in (head, DROPPED, *lines) if each] if lines else []


def _size(line: str) -> int:
    return len(line.encode()) + 1
