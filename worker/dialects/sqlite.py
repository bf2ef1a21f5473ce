"""SQLite: one writer at a time, so a transaction that begins with a write needs no row locks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from worker.dialects.portable import Dialect


class SQLite(Dialect):
    # As Django writes instants, since they are compared as text: with six digits, or without a fraction of zero.
    now = "replace(strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now'), '.000000', '')"
    later = "replace(strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', %s || ' seconds'), '.000000', '')"
    row_lock = ""
    skip_locked = ""

    def instant(self, value: Any) -> datetime:
        """A column comes parsed by Django's converter, an expression as text; both in UTC, without saying so."""
        naive = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return naive.replace(tzinfo=UTC)
