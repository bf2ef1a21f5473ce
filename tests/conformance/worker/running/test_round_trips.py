"""What a job of each kind asks the database, in round trips. Each is a part of a millisecond in which its slot waits.

Whoever makes them fewer changes the table here; nobody makes them more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.db import connection, connections

from schedules.declarations import Background
from schedules.declarations.background import declare_task
from tests.app.models import Effect
from tests.conformance.worker.queue.jobs import ALIAS, another_session, claim
from tests.conformance.worker.running.round_trips import counted
from worker import queue
from worker.clock import ServerClock, database_now
from worker.reports import Reports
from worker.running.atomic_run import AtomicRuns
from worker.running.enquiries import Enquiries
from worker.running.slot import Slot
from worker.values import ClaimedJob, Ended

pytestmark = pytest.mark.usefixtures("database", "own_declarations")

JOBS = 5


def nothing() -> None:
    """Do nothing at all."""


def write() -> None:
    Effect.objects.create(key="one")


def write_and_fail() -> None:
    write()
    raise ValueError("no")


TASKS: dict[str, tuple[Callable[[], None], dict[str, Any]]] = {
    "does nothing": (nothing, {}),
    "writes a row": (write, {}),
    "writes a row, atomic": (write, {"atomic": True}),
    "fails": (write_and_fail, {"max_attempts": 1}),
    "is tried again": (write_and_fail, {}),
    "fails, atomic": (write_and_fail, {"max_attempts": 1, "atomic": True}),
}
IN_ITS_SLOT = {
    # What the task itself writes is one of them.
    "does nothing": {"postgresql": 0, "mysql": 0, "sqlite": 0},
    "writes a row": {"postgresql": 1, "mysql": 1, "sqlite": 1},
    "writes a row, atomic": {"postgresql": 3, "mysql": 9, "sqlite": 8},
    "fails": {"postgresql": 1, "mysql": 1, "sqlite": 1},
    "is tried again": {"postgresql": 1, "mysql": 1, "sqlite": 1},
    "fails, atomic": {"postgresql": 3, "mysql": 5, "sqlite": 4},
}
TO_RECORD = {
    # Of a batch, however many jobs are in it.
    "does nothing": {"postgresql": 1, "mysql": 6, "sqlite": 5},
    "fails": {"postgresql": 1, "mysql": 6, "sqlite": 5},
    "is tried again": {"postgresql": 9, "mysql": 8, "sqlite": 7},  # five, each by itself
}


def task_of(kind: str) -> Background[Any, Any, Any]:
    function, options = TASKS[kind]
    return declare_task(function, f"tests.{function.__name__}", {"backoff": [0], **options})


def run(slot: Slot, jobs: Sequence[ClaimedJob]) -> list[Ended]:
    """One after the other, as a slot does."""
    ended = []
    for job in jobs:
        ended.append(slot.run(job))
        slot.after_job()
    return ended


@pytest.fixture
def slot() -> Iterator[Slot]:
    clock = ServerClock(database_now(ALIAS))
    connection.close()
    slot = Slot(clock, AtomicRuns(ALIAS, "host:1", clock.now), Reports(clock, lambda: None), Enquiries(ALIAS))
    yield slot
    slot.connections.end_all()


@pytest.mark.parametrize("kind", TASKS)
def test_a_job_waits_for_the_database_no_more_often_than_it_must(slot: Slot, kind: str) -> None:
    task = task_of(kind)
    task.enqueue_many([((), {})] * (1 + JOBS))
    run(slot, claim(1))
    connection.ensure_connection()
    jobs = claim(JOBS)

    trips = counted(connection, lambda: run(slot, jobs))

    assert trips == JOBS * IN_ITS_SLOT[kind][connection.vendor]


@pytest.mark.parametrize("kind", TO_RECORD)
def test_a_batch_is_recorded_with_no_more_questions_than_it_must(slot: Slot, kind: str) -> None:
    task_of(kind).enqueue_many([((), {})] * JOBS)
    ended = run(slot, claim(JOBS))

    with another_session() as using:
        trips = counted(connections[using], lambda: queue.ack(using, ended, "host:1"))

    assert trips == TO_RECORD[kind][connection.vendor]
