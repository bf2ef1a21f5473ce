"""The supervisor of several worker processes, or of one that starts again when code changes.

Each is started by spawn, because a fork would share sockets and locks. One that dies is replaced (`restarts`). With
--reload, a process that has failed is replaced when its code has changed. If the supervisor itself is gone, its
children notice, and end as if they had been told to stop. It measures time by this host's monotonic clock.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from threading import Thread
from types import FrameType

from worker.events import say_seldom
from worker.messages.durations import measured, pause
from worker.process.reloading import CHANGED, WAITS
from worker.process.restarts import Restarts

LOOK_EVERY = 0.1
USUAL_START, LONGEST_START = 3.0, 10.0
"""Seconds after which a process sees for itself when its code changes. Sooner, it might never begin."""


class Supervisor:
    """Keeps `count` processes of the command running until it is told to stop, which it tells each of them.

    `code()`: what they are made of, equal as long as it has not changed. None: nobody works on it.
    """

    def __init__(self, command: Sequence[str], count: int, code: Callable[[], object] | None = None) -> None:
        self.command = list(command)
        self.count = count
        self.code = code
        self.children: list[Child] = []
        self.stopping = False

    def run(self) -> int:
        """Returns when all have ended by themselves or were stopped: 0, or the exit code of one that failed."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._pass_on)
        self.children = [self._start() for _ in range(self.count)]
        while any(child.runs or self._is_to_be_replaced(child) for child in self.children):
            time.sleep(LOOK_EVERY)
            for number, child in enumerate(self.children):
                if self._is_to_be_replaced(child) and self._can_be_replaced(child):
                    self.children[number] = self._succeed(child.restarts)
                    self._stop_late_comer(self.children[number])
                elif self._has_begun_with_old_code(child):
                    child.has_old_code = True
                    child.process.send_signal(signal.SIGTERM)
        return max(0 if self._has_retired(child) else _exit_code(child) for child in self.children)

    def _start(self) -> Child:
        return self._succeed(Restarts())

    def _succeed(self, restarts: Restarts) -> Child:
        return Child(self.command, self.code and self.code(), restarts)

    def _is_to_be_replaced(self, child: Child) -> bool:
        return not self.stopping and not child.runs and (child.process.returncode != 0 or child.has_old_code)

    def _has_begun_with_old_code(self, child: Child) -> bool:
        """Code was saved while the process started, and had not begun to look for that."""
        if not self.code or self.stopping or child.has_old_code or not child.runs:
            return False
        age = time.monotonic() - child.started_at
        return USUAL_START < age < LONGEST_START and self.code() != child.code

    def _can_be_replaced(self, child: Child) -> bool:
        if self._has_retired(child) or child.has_old_code:
            return True
        if self.code and child.process.returncode > 0:
            return self._has_changed_since(child, self.code)
        return time.monotonic() >= child.again_at

    def _has_retired(self, child: Child) -> bool:
        return self.code is not None and child.process.returncode == CHANGED

    def _has_changed_since(self, child: Child, code: Callable[[], object]) -> bool:
        if not child.mourned:
            child.mourned = True
            sys.stderr.write(WAITS)
        return code() != child.code

    def _stop_late_comer(self, child: Child) -> None:
        """The signal came while it was started, so nobody has told it."""
        if self.stopping:
            child.process.send_signal(signal.SIGTERM)

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        self.stopping = True
        for child in self.children:
            if child.runs:
                child.process.send_signal(signum)


class Child:
    """A process whose standard input stays open as long as its supervisor lives, and carries nothing.

    `code`: what it was made of.
    """

    def __init__(self, command: Sequence[str], code: object, restarts: Restarts) -> None:
        self.code = code
        self.restarts = restarts
        """Of those in its place."""
        self.mourned = False
        """Whether people were told that it has failed."""
        self.has_old_code = False
        """Whether it was told to end for that."""
        self.started_at = time.monotonic()
        # Our own command line again, and no shell.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    @cached_property
    def again_at(self) -> float:
        """When it is time for its successor. To be asked when it has ended."""
        lived = time.monotonic() - self.started_at
        again_at = self.started_at + self.restarts.after(lived)
        if (left := again_at - time.monotonic()) > 0:
            say_seldom(_say, ENDED_SOON, measured(lived), _exit_code(self), pause(left))
        return again_at


ENDED_SOON = "A process ended %s after its start (exit code %d). It starts again in %s."


def _say(line: str, *args: object) -> None:
    sys.stderr.write(f"{line % args}\n")


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
