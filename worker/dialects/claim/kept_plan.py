"""PostgreSQL: a statement whose plan the session keeps, in one round trip.

A worker's session has each statement planned anew, since a plan from when a queue was empty may walk all of a full one
(`worker/sessions/connection.py`). To plan a claim takes the server as long as to do it, and longer after a pause. So a
statement that has only one sensible plan, whatever the tables hold, is prepared under a name, and told to keep it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary
from zlib import crc32

from django.db import ProgrammingError
from django.db.backends.utils import CursorWrapper


class KeptPlans:
    """Of each session, as long as it lasts."""

    def __init__(self) -> None:
        self._prepared: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()

    def execute(self, cursor: CursorWrapper, sql: str, params: Sequence[Any]) -> None:
        """Where nothing can be prepared, as behind a pooler, it is planned anew."""
        session = cursor.connection
        if getattr(session, "prepare_threshold", None) is None:
            cursor.execute(sql, params)
            return
        name, prepare = _prepared(sql)
        execute = f"{_KEEP_PLAN}; EXECUTE {name} ({', '.join([_literal(session, each) for each in params])})"
        known = self._prepared.setdefault(session, set())
        if name not in known or not _is_executed(cursor, execute):
            cursor.execute(prepare)
            known.add(name)
            cursor.execute(execute)
        cursor.nextset()


def _is_executed(cursor: CursorWrapper, execute: str) -> bool:
    """False: it is not prepared any more. After a ROLLBACK the driver has the server forget all that was."""
    try:
        cursor.execute(execute)
    except ProgrammingError as error:
        if getattr(error.__cause__, "sqlstate", None) == _NOT_PREPARED:
            return False
        raise
    return True


_NOT_PREPARED = "26000"
_KEEP_PLAN = "SET LOCAL plan_cache_mode = force_generic_plan"


@lru_cache
def _prepared(sql: str) -> tuple[str, str]:
    """A name for it, and SQL that prepares it. The server knows the types of its parameters by where they stand."""
    first, *others = sql.split("%s")
    numbered = first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))
    name = f"carillon_{crc32(numbered.encode()):08x}"
    return name, f"PREPARE {name} AS {numbered}"


def _literal(session: Any, value: Any) -> str:
    """Numbers without the driver, which takes its time."""
    if type(value) is int:
        return str(value)
    from psycopg.sql import Literal  # who has SQLite has no driver for PostgreSQL

    return Literal(value).as_string(session)
