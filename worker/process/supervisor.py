"""Several worker processes under one.

Each is started afresh, for a fork would share sockets and locks. One that dies is replaced. When the supervisor
itself is gone, however it ended, its children notice, and end as if they had been told to stop. What it measures are
processes of this host, by this host's monotonic clock.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from threading import Thread
from types import FrameType

RESTART_AFTER = 1.0
"""Seconds from the start of a process to that of its successor, at the least: what dies at once does not spin."""
LOOK_EVERY = 0.1


class Supervisor:
    """Keeps `count` processes of the command running until it is told to stop, which it tells each of them."""

    def __init__(self, command: Sequence[str], count: int) -> None:
        self.command = list(command)
        self.count = count
        self.children: list[Child] = []
        self.stopping = False

    def run(self) -> int:
        """Returns when all have ended by themselves or were stopped: 0, or the exit code of one that failed."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._pass_on)
        self.children = [Child(self.command) for _ in range(self.count)]
        while any(child.runs or self._is_to_be_replaced(child) for child in self.children):
            time.sleep(LOOK_EVERY)
            for number, child in enumerate(self.children):
                if self._is_to_be_replaced(child) and time.monotonic() >= child.started_at + RESTART_AFTER:
                    self.children[number] = Child(self.command)
        return max(map(_exit_code, self.children))

    def _is_to_be_replaced(self, child: Child) -> bool:
        return not self.stopping and child.process.poll() not in (None, 0)

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        self.stopping = True
        for child in self.children:
            if child.runs:
                child.process.send_signal(signum)


class Child:
    """A process whose standard input stays open as long as its supervisor lives, and carries nothing."""

    def __init__(self, command: Sequence[str]) -> None:
        self.started_at = time.monotonic()
        # Our own command line again, and no shell.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603

    @property
    def runs(self) -> bool:
        return self.process.poll() is None


def _exit_code(child: Child) -> int:
    """As a shell would say it, where a signal ended it."""
    code = int(child.process.returncode)
    return code if code >= 0 else 128 - code


def when_orphaned(then: Callable[[], None]) -> None:
    """In a child: call this, in a thread, when its supervisor is gone."""

    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)
        then()

    Thread(target=wait, name="carillon-orphaned", daemon=True).start()
