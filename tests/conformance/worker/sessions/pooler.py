"""A connection as a transaction pooler would give it. Knows nothing of what is asked over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections

from worker.sessions.connection import private_connection


@contextmanager
def pooled(using: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Until the block ends, another session than the one that greeted us works for this alias."""
    connections[using].ensure_connection()
    with private_connection(using, "behind the pooler") as other, monkeypatch.context() as patch:
        behind = PooledConnection(connections[using].connection, connections[other].connection)
        patch.setattr(connections[using], "connection", behind)
        yield


class PooledConnection:
    """What a client of a transaction pooler has: greeted by one server process, served by another."""

    def __init__(self, greeted_by: Any, served_by: Any) -> None:
        self._greeted_by = greeted_by
        self._served_by = served_by

    @property
    def info(self) -> Any:
        return self._greeted_by.info

    def __getattr__(self, name: str) -> Any:
        return getattr(self._served_by, name)
