"""A clock that a test sets, as an operator, a time server or a host that wakes does. It is that of chosen processes.

They load a few functions of C before libc, which a compiler makes of `clock.c`.
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


class SettableClock:
    """Of the processes that are started in this environment. The others have the host's."""

    def __init__(self, folder: Path) -> None:
        library, self._file = folder / "clock.so", folder / "clock"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "CARILLON_CLOCK": str(self._file)}
        self._file.write_bytes(_written(0))

    def set(self, seconds: int) -> None:
        """So far off the host's, from now on."""
        with self._file.open("r+b") as file:
            file.write(_written(seconds))


@contextmanager
def settable_clock() -> Iterator[SettableClock]:
    with tempfile.TemporaryDirectory(prefix="carillon-clock-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server may be of another user
        yield SettableClock(folder)


def _written(seconds: int) -> bytes:
    return struct.pack("=q", seconds)
