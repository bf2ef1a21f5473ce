"""The leader's advisory lock on three databases: at most one process holds it, and can prove that it does.

A lock belongs to a private session (`using`). The server ends that session when its holder falls silent for
`LEASE` seconds, so a hung leader cannot keep the lead; SQLite has no server, there a stopped process keeps it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, Protocol

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from schedules.models import Schedule
from worker.options import options
from worker.sessions.connection import behind_pooler

LEASE = 3
"""Seconds of silence after which the server ends the leader's session."""
LONGEST_WAIT = LEASE + 0.5
"""Seconds, for a lock that lasts for a transaction. Less than `alive.PATIENCE`: nobody else begins a term meanwhile."""
ASK_AGAIN_AFTER = 0.02
"""Seconds. The look of a candidate takes some milliseconds."""


class NotLeader(Exception):
    """The lock is not this session's, so nothing may be written in its name."""


class Lock(Protocol):
    kind: str
    lasts: bool
    """Beyond the transaction in which it was proved."""

    def prepare(self) -> None:
        """Make the server end this session when it falls silent."""

    def acquire(self) -> bool:
        """Try to take the lock, without waiting."""

    def prove(self) -> None:
        """Raises NotLeader unless this session holds the lock now. The first statement of each transaction."""

    def release(self) -> None:
        """Give it back."""

    def abandon(self) -> None:
        """The session failed: see that the lock is gone with it."""


def lock_on(using: str) -> Lock:
    """The lock that fits the database, and what stands before it."""
    connection = connections[using]
    match connection.vendor, options().LOCK:
        case "postgresql", "transaction":
            return PostgreSQLTransactionLock(connection)
        case "postgresql", "auto" if behind_pooler(connection):
            return PostgreSQLTransactionLock(connection)
        case "postgresql", _:
            return PostgreSQLLock(connection)
        case "mysql", _:
            return MySQLLock(connection)
        case _:
            return FileLock(connection)


class _SqlLock:
    lasts = True

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    def abandon(self) -> None:
        """Nothing: the lock goes with its session, which is closed after any failure."""

    def _ask(self, sql: str, *params: Any) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchone()[0]

    def _do(self, sql: str, *params: Any) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)


class PostgreSQLLock(_SqlLock):
    """https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS"""

    kind = "session"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        self.key = int.from_bytes(_digest(Schedule._meta.db_table, self._ask("SELECT current_schema()")), signed=True)

    def prepare(self) -> None:
        self._do(  # what this server has of them: some are newer than others
            "SELECT set_config(name, given.value, false) FROM pg_settings "
            "JOIN unnest(%s::text[], %s::text[]) AS given(name, value) USING (name)",
            [*_POSTGRESQL_EVICTION],
            [*_POSTGRESQL_EVICTION.values()],
        )

    def acquire(self) -> bool:
        return bool(self._ask("SELECT pg_try_advisory_lock(%s)", self.key))

    def prove(self) -> None:
        held = self._ask(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted "
            "AND pid = pg_backend_pid() AND (classid::bigint << 32 | objid::bigint) = %s",
            self.key,
        )
        if not held:
            raise NotLeader("This session does not hold the leader's lock.")

    def release(self) -> None:
        self._ask("SELECT pg_advisory_unlock(%s)", self.key)


class PostgreSQLTransactionLock(PostgreSQLLock):
    """Behind a transaction pooler a session is nobody's own: the lock is taken anew in each transaction."""

    kind = "transaction"
    lasts = False

    def prepare(self) -> None:
        """Nothing: a setting would leak to whoever gets the session next."""

    def acquire(self) -> bool:
        """Each transaction asks for itself. To try it between them would only be in the way of who leads."""
        return True

    def prove(self) -> None:
        """Another may hold it for a moment, to see whether it may begin a term: that is waited for, and ends no term.

        The wait is for longer than the server lets anybody stand still with it.
        """
        until = time.monotonic() + LONGEST_WAIT
        while not self._taken():
            if time.monotonic() >= until:
                raise NotLeader("Another process holds the leader's lock.")
            time.sleep(ASK_AGAIN_AFTER)

    def release(self) -> None:
        """Nothing: each transaction gave it back."""

    def _taken(self) -> bool:
        """What is set here ends with the transaction: the server takes the lock from one that stands still in it."""
        return bool(
            self._ask(
                "SELECT pg_try_advisory_xact_lock(%s) FROM set_config('idle_in_transaction_session_timeout', %s, true)",
                *(self.key, f"{LEASE}s"),
            )
        )


class MySQLLock(_SqlLock):
    """https://dev.mysql.com/doc/refman/8.4/en/locking-functions.html; the name is the whole server's."""

    kind = "session"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        self.name = f"carillon:{_digest(Schedule._meta.db_table, self._ask('SELECT DATABASE()')).hex()}"

    def prepare(self) -> None:
        self._do("SET SESSION wait_timeout = %s", LEASE)

    def acquire(self) -> bool:
        return bool(self._ask("SELECT GET_LOCK(%s, 0)", self.name))

    def prove(self) -> None:
        if not self._ask("SELECT COALESCE(IS_USED_LOCK(%s) = CONNECTION_ID(), 0)", self.name):
            raise NotLeader("This session does not hold the leader's lock.")

    def release(self) -> None:
        self._ask("SELECT RELEASE_LOCK(%s)", self.name)


class FileLock:
    """A lock on a file beside an SQLite database, which the system frees when the process ends.

    It is a POSIX record lock (on Windows, a locked byte), which children do not inherit. Those belong to a
    process, not to a thread, so the threads of one are kept apart here. In-memory databases need no more.
    """

    kind = "file"
    lasts = True
    _held: dict[str, IO[bytes] | None] = {}
    _guard = threading.Lock()

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        name = str(connection.settings_dict["NAME"])
        self.in_memory = connection.is_in_memory_db()  # type: ignore[attr-defined]
        self.path = name if self.in_memory else f"{Path(name).resolve()}.leader"
        self.mine = False

    def prepare(self) -> None:
        """Nothing: there is no server that could end a session."""

    def acquire(self) -> bool:
        with self._guard:
            if self.path in self._held:
                return False
            file = None if self.in_memory else Path(self.path).open("ab")  # noqa: SIM115  it stays open for the whole term
            if file is not None and not _lock_file(file):
                file.close()
                return False
            self._held[self.path] = file
            self.mine = True
            return True

    def prove(self) -> None:
        if not self.mine or not self._still_there():
            raise NotLeader(f"This process does not hold the leader's lock, {self.path}.")

    def release(self) -> None:
        with self._guard:
            if self.mine:
                file = self._held.pop(self.path)
                self.mine = False
                if file is not None:
                    file.close()

    def abandon(self) -> None:
        self.release()

    def _still_there(self) -> bool:
        file = self._held[self.path]
        try:
            return file is None or os.path.samestat(os.fstat(file.fileno()), Path(self.path).stat())
        except FileNotFoundError:
            return False


def _lock_file(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _digest(*parts: object) -> bytes:
    return blake2b("\n".join(map(str, parts)).encode(), digest_size=8).digest()


_POSTGRESQL_EVICTION = {
    "idle_session_timeout": f"{LEASE}s",
    "idle_in_transaction_session_timeout": f"{LEASE}s",
    "tcp_keepalives_idle": "1",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": str(LEASE - 1),
    "tcp_user_timeout": f"{LEASE}s",
}
