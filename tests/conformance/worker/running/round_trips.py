"""How often a session asks its server and waits for the answer, as the driver or the server itself counts it.

SQLite has no server: there it is the statements.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


def counted(connection: BaseDatabaseWrapper, do: Callable[[], object]) -> int:
    """How many there are while that is done, in a session that is open and stays it."""
    return _COUNTED[connection.vendor](connection.connection, do)


def _by_protocol(session: Any, do: Callable[[], object]) -> int:
    """PostgreSQL says each time that it is ready for the next query."""
    with tempfile.NamedTemporaryFile() as file:
        session.pgconn.trace(file.fileno())
        try:
            do()
        finally:
            session.pgconn.untrace()
        return Path(file.name).read_text().count("ReadyForQuery")


def _by_server(session: Any, do: Callable[[], object]) -> int:
    """MariaDB counts what it is asked, this question too."""

    def questions() -> int:
        session.query("SHOW SESSION STATUS LIKE 'Questions'")
        ((_, count),) = session.store_result().fetch_row(maxrows=0)
        return int(count)

    before = questions()
    do()
    return questions() - before - 1


def _by_driver(session: Any, do: Callable[[], object]) -> int:
    statements: list[str] = []
    session.set_trace_callback(statements.append)
    try:
        do()
    finally:
        session.set_trace_callback(None)
    return len(statements)


_COUNTED = {"postgresql": _by_protocol, "mysql": _by_server, "sqlite": _by_driver}
