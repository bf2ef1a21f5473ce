"""Sleep until a file is written, if the system can tell (Linux's inotify), and otherwise for a moment.

SQLite writes a commit to its files first, and shows it to others a little later; no file tells when. So after a write,
callers look several times for a while, and now and then at any time. It really sleeps, so this host's monotonic clock
measures how long.
"""

from __future__ import annotations

import ctypes
import os
import select
import sys
import time
from collections.abc import Collection
from contextlib import suppress

FIRST_LOOK_AFTER = 0.001
LOOK_EVERY = 0.005
"""Seconds between two looks at files that are being written, or of which the system tells nothing."""
SEEN_WITHIN = 0.1
"""Seconds after a write for which its commit is expected to be seen."""
LOOK_AT_LEAST_EVERY = 0.1
"""Seconds between two looks at files that are not written, as far as the system knows: some network drives lie."""


class FileWatch:
    """Lets one thread sleep until it should look at the files again. Python has no door to inotify; libc has."""

    def __init__(self, paths: Collection[str]) -> None:
        self.descriptor = _inotify(paths)
        self.pause = FIRST_LOOK_AFTER
        self.written_at = time.monotonic()

    def __enter__(self) -> FileWatch:
        return self

    def __exit__(self, *_: object) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)

    def wait(self) -> None:
        if self.descriptor is None:
            time.sleep(LOOK_EVERY)
        elif time.monotonic() < self.written_at + SEEN_WITHIN:
            time.sleep(self.pause)
            self.pause = min(2 * self.pause, LOOK_EVERY)
            self._note_writes(self.descriptor)
        elif _is_readable(self.descriptor, within=LOOK_AT_LEAST_EVERY):
            self.pause = FIRST_LOOK_AFTER
            self._note_writes(self.descriptor)

    def _note_writes(self, descriptor: int) -> None:
        with suppress(BlockingIOError):
            while os.read(descriptor, 4096):
                self.written_at = time.monotonic()


def _inotify(paths: Collection[str]) -> int | None:
    """None where the system has no inotify, allows this user no more of it, or a file is not there."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        return None
    if any(libc.inotify_add_watch(descriptor, os.fsencode(path), _IN_MODIFY) < 0 for path in paths):
        os.close(descriptor)
        return None
    return descriptor


def _is_readable(descriptor: int, within: float) -> bool:
    """`select.select` refuses large descriptors."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(1000 * within))


_IN_MODIFY = 0x2
