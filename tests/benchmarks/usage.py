"""What the system counts of processes and of what serves them at the database. It needs Linux's `/proc`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.db import connection


def cpu_seconds(threads: Iterable[Path]) -> float:
    """To the nanosecond, where `/proc/…/stat` counts hundredths of a second."""
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def threads(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())


def sessions() -> list[Path]:
    """What serves the sessions of others in this database: processes on PostgreSQL, threads on MariaDB."""
    if connection.vendor not in _SESSIONS:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS[connection.vendor])
        return [thread for (task,) in cursor.fetchall() if (thread := Path(f"/proc/{task}")).exists()]


_SESSIONS = {
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT tid FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
}
