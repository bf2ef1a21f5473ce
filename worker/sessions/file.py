"""The file behind a session with SQLite, and whether it is still the one that the session opened.

A session keeps its file open, even if the file is moved, deleted or replaced. With a write-ahead log SQLite goes on
writing there without an error, and what it writes is lost. The time since the last look is measured by this host's
monotonic clock.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

LOOK_EVERY = 0.2
"""Seconds between two looks, at the least: a look costs as much as a small statement."""


class File:
    """As it is now. Raises OperationalError where there is none, for SQLite would make one without tables.

    Nothing else gets its number, by which the system knows it, as long as somebody has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._opened = path.stat()
        except OSError as error:
            raise OperationalError(
                f'The database file "{path}" is not there. Put it back, or make a new one with manage.py migrate.'
            ) from error
        self._is_there = True
        self._look_at = time.monotonic() + LOOK_EVERY

    def require_in_its_place(self) -> None:
        if not self.is_in_its_place():
            raise OperationalError(
                f'The database file "{self.path}" was deleted, moved or replaced, '
                "so a session with the one that was there is of no use."
            )

    def is_in_its_place(self) -> bool:
        if self._is_there and (now := time.monotonic()) >= self._look_at:
            self._is_there = self._is_the_same()
            self._look_at = now + LOOK_EVERY
        return self._is_there

    def _is_the_same(self) -> bool:
        try:
            return os.path.samestat(self._opened, self.path.stat())
        except OSError:
            return False


def file_of(connection: BaseDatabaseWrapper) -> File | None:
    """None: there is none, or it is named by a URI, of which SQLite alone knows what it means."""
    if connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return None
    name = os.fspath(connection.settings_dict["NAME"])
    return None if name.startswith("file:") else File(Path(name).absolute())
