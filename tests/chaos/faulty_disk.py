"""Faults of the disk under an SQLite file: nothing can be written any more, or nothing by who opens the file now."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connection

from tests.processes import Process

ROOM = 256 * 1024
"""Bytes that a file may have: more than what the processes log, less than what the database takes."""


@contextmanager
def full_for(processes: Sequence[Process]) -> Iterator[None]:
    """Whatever they have open, the system refuses to let it grow, until the block ends."""
    _allow(processes, ROOM)
    try:
        yield
    finally:
        _allow(processes, resource.RLIM_INFINITY)


@contextmanager
def read_only() -> Iterator[None]:
    """Whoever opens the database may only read it, until the block ends."""
    file = Path(connection.settings_dict["NAME"])
    file.chmod(0o444)
    try:
        yield
    finally:
        file.chmod(0o644)


def _allow(processes: Sequence[Process], size: int) -> None:
    for each in processes:
        with suppress(ProcessLookupError):  # it has ended
            resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
