"""The server ends every session, or crashes and comes back, under load: what was accepted runs all the same."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.db import OperationalError, connection

from schedules.models import Schedule
from tests.chaos import scale
from tests.chaos.audit import assert_ledger_is_the_grid, audit
from tests.chaos.crew import SECONDS_TO_START, Crew, stop, wait_until_drained
from tests.chaos.private_servers import PrivateServer
from tests.chaos.tasks import count, count_slowly
from tests.processes import Process, eventually
from worker.models import FinishedJob, FinishedState

JOBS = 400

on_a_server = pytest.mark.only_on("postgresql", "mysql")


@on_a_server
def test_every_session_is_ended_again_and_again_and_nothing_is_lost(crew: Crew) -> None:
    labels, processes = _under_load(crew)
    for run in range(1, scale.KILLS + 3):
        eventually(lambda least=run * 40: FinishedJob.objects.count() >= least, within=SECONDS_TO_START)  # type: ignore[misc]
        _end_all_other_sessions()
    _assert_nothing_is_lost(labels, processes)


@on_a_server
@scale.at_length
def test_a_server_that_crashes_and_comes_back_has_lost_nothing(crew: Crew, server_of_its_own: PrivateServer) -> None:
    labels, processes = _under_load(crew)
    for run in range(1, scale.KILLS + 1):
        eventually(lambda least=run * 40: FinishedJob.objects.count() >= least, within=SECONDS_TO_START)  # type: ignore[misc]
        server_of_its_own.crash()
        connection.close()
        server_of_its_own.start()
        eventually(_is_there, within=SECONDS_TO_START)
    _assert_nothing_is_lost(labels, processes)


def _under_load(crew: Crew) -> tuple[list[str], list[Process]]:
    """A leader, two workers, a schedule of each second, and jobs for several seconds."""
    crew.scheduler = {"BACKOFF": 0.2}
    crew.schedules = {
        "each second": {"task": "tests.chaos.tasks.count", "repeat": 1, "args": ["s"], "overlap": "allow"}
    }
    processes = [crew.leader("--leader-only"), crew.worker(), crew.worker()]
    labels = [f"job {number}" for number in range(JOBS)]
    count_slowly.enqueue_many([((label, 0.05), {}) for label in labels[::2]])
    count.enqueue_many([((label,), {}) for label in labels[1::2]])
    return labels, processes


def _assert_nothing_is_lost(labels: list[str], processes: list[Process]) -> None:
    leader, *workers = processes
    eventually(FinishedJob.objects.filter(schedule_id__isnull=False).exists, within=SECONDS_TO_START)
    stop(leader)
    wait_until_drained()
    stop(*workers)
    result = audit(labels)
    assert result.finished == result.accepted > JOBS
    assert not FinishedJob.objects.exclude(state=FinishedState.SUCCEEDED).exists()
    assert_ledger_is_the_grid(Schedule.objects.get())


def _end_all_other_sessions() -> None:
    others, end = _SESSIONS[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(others)
        for (number,) in cursor.fetchall():
            with suppress(OperationalError):  # it may have ended by itself
                cursor.execute(end, [number])


_SESSIONS = {
    "postgresql": (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "SELECT pg_terminate_backend(%s)",
    ),
    "mysql": (
        "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
        "KILL CONNECTION %s",
    ),
}


def _is_there() -> bool:
    with suppress(OperationalError):
        connection.ensure_connection()
        return True
    return False
