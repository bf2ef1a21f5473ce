"""Private database connections: never pooled, never reopened silently, and used by one thread only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from worker.options import options
from worker.sessions import network
from worker.sessions.file import File, file_of


@contextmanager
def private_connection(alias: str, purpose: str) -> Iterator[str]:
    """Open a session beside Django's own to the same database, for this thread only.

    Gives the alias under which it can be used (`using=…`) until the block ends; then it is closed.
    Once the session is lost, every use of it raises OperationalError.
    """
    own_alias = f"{alias}:{purpose}"
    wrapper = _open(alias, own_alias)
    connections[own_alias] = wrapper
    try:
        yield own_alias
    finally:
        del connections[own_alias]
        wrapper.close()


class _OneSession:
    """Django reopens a lost connection silently; a lock or a LISTEN would not survive that unnoticed."""

    opened = False

    def connect(self) -> None:
        if self.opened:
            raise OperationalError("The private database session has ended.")
        super().connect()  # type: ignore[misc]
        self.opened = True


class _SessionWithFile(_OneSession):
    """That with SQLite is over when another file is in its place, as one with a server when the server is another."""

    file: File | None = None

    def connect(self) -> None:
        self.file = file_of(self)  # type: ignore[arg-type]
        super().connect()

    def ensure_connection(self) -> None:
        """Comes before each statement."""
        super().ensure_connection()  # type: ignore[misc]
        if self.file:
            self.file.require_in_its_place()


def _open(alias: str, own_alias: str) -> Any:
    settings = deepcopy(connections[alias].settings_dict)
    settings.update(CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=False, ATOMIC_REQUESTS=False, AUTOCOMMIT=True)
    settings["OPTIONS"].pop("pool", None)
    vendor = connections[alias].vendor
    settings["OPTIONS"] = network.options_of_driver(vendor) | settings["OPTIONS"] | _OPTIONS.get(vendor, {})
    backend = load_backend(settings["ENGINE"]).DatabaseWrapper
    kind = _SessionWithFile if vendor == "sqlite" else _OneSession
    wrapper = type("PrivateConnection", (kind, backend), {})(settings, own_alias)
    wrapper.ensure_connection()  # where there is no server, it raises Django's errors, not the driver's
    network.watch(wrapper)
    if prepare := _PREPARE.get(vendor):
        prepare(wrapper)
    return wrapper


def _prepare_postgresql(connection: BaseDatabaseWrapper) -> None:
    """Behind a pooler the next statement may reach another server process, which has parsed and set nothing."""
    if behind_pooler(connection):
        connection.connection.prepare_threshold = None
        return
    settings = _PLANNER | {
        "idle_in_transaction_session_timeout": f"{round(1000 * options().RESCUE_AFTER)}ms",
        "idle_session_timeout": "0",  # a listener has nothing to say
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(['set_config(%s, %s, false)'] * len(settings))}", sum(settings.items(), ()))


def _prepare_mysql(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION wait_timeout = %s", [math.ceil(options().RESCUE_AFTER)])


_PREPARE = {"postgresql": _prepare_postgresql, "mysql": _prepare_mysql}
"""Both see to it that who says nothing for RESCUE_AFTER, and so is taken for dead, keeps no job locked any longer."""


def behind_pooler(connection: BaseDatabaseWrapper) -> bool:
    """Whether a pooler answers for PostgreSQL: the process that greeted us is not the one that works for us.

    In which mode it pools is told to its administrators only, so each counts as one whose sessions are nobody's own.
    """
    if connection.vendor != "postgresql":
        return False
    connection.ensure_connection()
    greeted_by = connection.connection.info.backend_pid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (works_for_us,) = cursor.fetchone()
    return bool(greeted_by != works_for_us)


# On PostgreSQL a worker says the same few statements again and again, with long arrays: they are parsed once, and the
# arrays travel in binary.
_OPTIONS = {
    "postgresql": {"server_side_binding": True, "prepare_threshold": 1},
    "sqlite": {"transaction_mode": "IMMEDIATE"},
    "mysql": {"isolation_level": "read committed"},
}

# A queue that was empty when its statistics were taken may hold 100,000 jobs a moment later. A plan that was kept from
# before may walk them all, so none is kept, but for claims (`worker/dialects/claim/kept_plan.py`). Each of our ORDER
# BYs has an index in its order, along which a claim took 13 ms; by a plan that sorts all that is ready it took 150. So
# has each batch of ids, for which PostgreSQL would rather read all of 20,000 jobs, as long as it takes each look at an
# index for one at a disk: what is hot here is in memory. Where a sort or a scan is needed all the same, its penalty
# must not make the server compile the statement.
_PLANNER = {
    "plan_cache_mode": "force_custom_plan",
    "enable_sort": "off",
    "enable_seqscan": "off",
    "random_page_cost": "1.1",
    "jit": "off",
}
