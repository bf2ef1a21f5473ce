"""Bodies of atomic runs that a write would undo, and the moments between them.

On SQLite a transaction that has begun to read can write no more once anybody else has written. A report is no reason
to run a body twice, so it is written while none is open here. None begins meanwhile: that takes as long as a short
write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Bodies:
    """Those of one worker. Slots open and end them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        with self._lock:
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1

    @contextmanager
    def between(self) -> Iterator[bool]:
        """Whether none is open. Then none begins before this block ends."""
        with self._lock:
            if not self._open:
                yield True
                return
        yield False
