"""SIGSTOP to the process that leads, in the middle of a tick: what it had begun is undone, and another does it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections

from schedules import api
from schedules.models import Occurrence
from tests.chaos.audit import assert_all_ran_once, assert_ledger_is_the_grid, audit
from tests.chaos.crew import SECONDS_TO_START, Crew, says, stop, wait_until_drained
from tests.chaos.tasks import count
from tests.processes import eventually
from worker.sessions.connection import private_connection

MOST_SECONDS_TO_REPLACE = 6.0


@pytest.mark.only_on("postgresql", "mysql")  # SQLite has no server that could evict anybody
def test_what_a_leader_had_begun_when_it_was_stopped_is_done_once_by_another(crew: Crew) -> None:
    schedule = api.schedule(count, name="each second", args=["run"], repeat=1, overlap="allow", catch_up="all")
    stopped, worker = crew.leader("--leader-only"), crew.worker()
    eventually(Occurrence.objects.exists, within=SECONDS_TO_START)
    successor = crew.leader("--leader-only")
    eventually(says(successor, "stands by"), within=SECONDS_TO_START)
    with _ledger_locked():
        eventually(_somebody_waits_to_write_it)
        stopped.send(signal.SIGSTOP)
    eventually(says(successor, "elected, term"), within=MOST_SECONDS_TO_REPLACE)
    first_term = Occurrence.objects.order_by("pk").values_list("term", flat=True)[0]
    written = Occurrence.objects.filter(term=first_term).count()
    stopped.send(signal.SIGCONT)
    eventually(says(stopped, "lost the lead"))
    eventually(Occurrence.objects.filter(term__gt=first_term).exists)
    stop(stopped, successor)
    wait_until_drained()
    stop(worker)

    assert_all_ran_once(audit([]))
    assert_ledger_is_the_grid(schedule.row)
    assert Occurrence.objects.filter(term=first_term).count() == written


@contextmanager
def _ledger_locked() -> Iterator[None]:
    """Everybody may read it. Who would write it waits, and the server does it for them when the block ends."""
    lock, unlock = _LOCK[connection.vendor]
    with private_connection("default", "locker") as using, connections[using].cursor() as cursor:
        cursor.execute(lock)
        try:
            yield
        finally:
            cursor.execute(unlock)


def _somebody_waits_to_write_it() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING[connection.vendor])
        (waiting,) = cursor.fetchone()
    return bool(waiting)


_LEDGER = Occurrence._meta.db_table
_LOCK = {
    "postgresql": (f"BEGIN; LOCK TABLE {_LEDGER} IN SHARE MODE", "ROLLBACK"),
    "mysql": (f"LOCK TABLES {_LEDGER} READ", "UNLOCK TABLES"),
}
_WAITING = {
    "postgresql": f"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{_LEDGER}'::regclass",
    "mysql": f"SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO `{_LEDGER}`%' "
    "AND state LIKE 'Waiting for table%'",
}
