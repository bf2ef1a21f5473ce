"""Real processes in tests: `manage.py` commands against the test database, and waiting for what they do.

Decides that a process never outlives its test. Knows nothing of what the commands are for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

ROOT = Path(__file__).resolve().parent.parent

Answer = TypeVar("Answer")


class Process:
    """One `manage.py` command that runs, with everything that it starts itself."""

    def __init__(
        self, arguments: tuple[str, ...], output: Path, environment: dict[str, str], under: Sequence[str] = ()
    ) -> None:
        self.arguments = arguments
        self._output = output
        with output.open("wb") as file:
            self._popen = subprocess.Popen(
                [*under, sys.executable, "-m", "tests.manage", *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # Its own group, so that its children can be ended with it.
                start_new_session=True,
            )

    def __str__(self) -> str:
        return f"manage.py {' '.join(self.arguments)}"

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def output(self) -> str:
        """All that it has written until now, errors included."""
        return self._output.read_text(errors="replace")

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negative number of the signal that ended it, if one did."""
        return self._popen.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command itself, and not to its children."""
        self._popen.send_signal(number)

    def wait(self, within: float) -> int:
        """Wait until it ends by itself, and give its exit code."""
        try:
            return self._popen.wait(timeout=within)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self} still runs after {within} s. It said:\n{self.output}")

    def kill(self) -> None:
        """End it and its children at once, stopped ones too. Does nothing to one that has ended."""
        if self.exit_code is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()


class StartProcess(Protocol):
    """What the fixture `process` gives: starts `manage.py` with these arguments, `under` another command."""

    def __call__(
        self, *arguments: str, environment: dict[str, str] | None = None, under: Sequence[str] = ()
    ) -> Process: ...


def eventually(condition: Callable[[], Answer], within: float = 10.0, every: float = 0.02) -> Answer:
    """Ask until the answer is true, and give it; fail when the time is up."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"Not true within {within} s: {getattr(condition, '__qualname__', condition)}")
        time.sleep(every)
    return answer
