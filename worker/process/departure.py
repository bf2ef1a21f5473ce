"""The last step of a shutdown: the process ends, whatever its tasks have left running in it.

Python would wait for threads, executors and child processes that are still running, without a limit. A process that was
told to end, and whose jobs have had their grace, does not wait.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from worker import signals

LONGEST_WAIT = 3.0
"""Seconds that they have to end by themselves."""


@contextmanager
def departing() -> Iterator[None]:
    """When this block is over, however it ends, the process has nothing more to do."""
    try:
        yield
    finally:
        code = _exit_code(sys.exception())
        threading.Thread(target=_end, args=[code], name="carillon-departure", daemon=True).start()


def _exit_code(error: BaseException | None) -> int:
    match error:
        case None | SystemExit(code=None):
            return 0
        case SystemExit(code=int(code)):
            return code
        case _:
            return 1


def _end(exit_code: int) -> None:
    time.sleep(LONGEST_WAIT)
    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    left = sorted(thread.name for thread in others if not thread.name.startswith("carillon-"))
    signals.tasks_outstayed.send_robust(None, threads=left)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(exit_code)
