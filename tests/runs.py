"""Pytest on one database, in a process of its own, while others run on other databases.

Decides that a run and its database end with the block that began it, and that what runs side by side say is not
mixed. Knows nothing of which databases there are.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from tests.databases import VARIABLE
from tests.servers import Server

_SECONDS_TO_STOP = 30.0
_MOMENT = 0.2


class Run:
    """Has the terminal, or stands aside: then what it says is kept until somebody waits for it."""

    def __init__(self, server: Server, database: str, arguments: Sequence[str], *, aside: bool) -> None:
        self._server = server
        self._database = database
        self._said = tempfile.TemporaryFile() if aside else None  # noqa: SIM115  it is read while the run lasts
        self._told = 0
        self._failed = tempfile.NamedTemporaryFile()  # noqa: SIM115  it is read when the run has ended
        _say(f"\n{server.version}\n".encode(), self._said or sys.stdout.buffer)
        colours = ["--color=yes"] if aside and sys.stdout.isatty() else []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "--reuse-db", f"--failed-to={self._failed.name}", *colours, *arguments],
            # Tests start many processes. What these import is compiled once, also where the environment would have
            # none of it.
            env={**os.environ, VARIABLE: server.url(database), "PYTHONDONTWRITEBYTECODE": ""},
            stdin=subprocess.DEVNULL if aside else None,
            stdout=self._said,
            stderr=self._said,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Pytest itself ends the processes that its tests have started, if it is asked and given the time."""
        self._process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_SECONDS_TO_STOP)
        self._process.kill()
        self._server.drop(self._database)
        self._failed.close()
        if self._said:
            self._said.close()

    @property
    def failed(self) -> list[str]:
        """The tests that have failed, once it has ended. None are known of a run that was broken off."""
        return Path(self._failed.name).read_text().splitlines()

    def wait(self) -> int:
        """Tell what it has said, and what it goes on to say, until it has ended; give its exit code."""
        while self._lasts():
            self._tell()
        self._tell()
        return self._process.returncode

    def _lasts(self) -> bool:
        try:
            self._process.wait(timeout=_MOMENT)
        except subprocess.TimeoutExpired:
            return True
        return False

    def _tell(self) -> None:
        while self._said and (words := os.pread(self._said.fileno(), 1 << 16, self._told)):
            self._told += len(words)
            _say(words, sys.stdout.buffer)


def _say(words: bytes, file: IO[bytes]) -> None:
    file.write(words)
    file.flush()
