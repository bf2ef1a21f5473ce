"""How tests put jobs into the queue, take them, say how they ended, and read what became of them.

Knows no worker and runs nothing: who claims here is a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from tests.databases import is_pooled
from worker import queue, roster
from worker.arguments import encode
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job, JobState, WorkerProcess
from worker.outcomes import Error, Outcome
from worker.sessions.connection import private_connection
from worker.values import ClaimedJob, Ended, NewJob

ALIAS = DEFAULT_DB_ALIAS
SOMEBODY = 4711
"""A worker's number, where it does not matter whose. `somebody` signs it in."""
FAR_FUTURE = datetime(2900, 1, 1, tzinfo=UTC)

rows_are_locked = pytest.mark.only_on("postgresql", "mysql")
"""SQLite has one writer at a time, and locks no rows."""


# Into the queue


def new(*args: Any, **given: Any) -> NewJob:
    """A job of a task that nobody has, with these arguments; what else it is can be given."""
    values: dict[str, Any] = {"task": "a.task", "queue": "default", "priority": 0, "max_attempts": 5}
    return NewJob(arguments=given.pop("arguments", encode(args, {})), **{**values, **given})


def enqueue(*args: Any, **given: Any) -> int:
    id, _ = queue.enqueue(new(*args, **given), ALIAS)
    return id


def enqueue_in(state: JobState, *args: Any, **given: Any) -> int:
    """A job that waits in that state: for its time, in line, or for a worker."""
    needed: dict[JobState, dict[str, Any]] = {
        JobState.SCHEDULED: {"delay": 3600.0},
        JobState.WAITING: {"lane": "a"},
    }
    return enqueue(*args, state=state, **{**needed.get(state, {}), **given})


# Out of it, and how it ended


def claim(limit: int = 1000, *, using: str = ALIAS, worker_id: int | None = None, **given: Any) -> list[ClaimedJob]:
    return queue.claim(using, worker_id or somebody(), limit, **given)


def somebody() -> int:
    """A worker, and the same one each time."""
    if not WorkerProcess.objects.filter(pk=SOMEBODY).exists():
        now = database_now(ALIAS)
        WorkerProcess(pk=SOMEBODY, name="somebody", slots=4, started_at=now, heartbeat_at=now).save(force_insert=True)
    return SOMEBODY


def claim_one() -> ClaimedJob:
    (job,) = claim()
    return job


def ended(job: ClaimedJob, outcome: Outcome) -> Ended:
    """The job ran for a second until now, with that outcome."""
    now = database_now(ALIAS)
    return Ended(job, outcome, now - timedelta(seconds=1), now)


def ack(job: ClaimedJob, outcome: Outcome) -> bool:
    """Whether it was recorded."""
    each = ended(job, outcome)
    recorded = queue.ack(ALIAS, [each], "host:1")
    assert recorded in ([each], [])
    return bool(recorded)


def error(message: str = "no", attempt: int = 1) -> Error:
    return Error(attempt, "ValueError", message, f"Traceback …\nValueError: {message}\n", database_now(ALIAS))


# What became of it


def state_of(id: int) -> str | None:
    """Where the job is now; None: nowhere."""
    live = Job.objects.filter(pk=id).values_list("state", flat=True)
    history = FinishedJob.objects.filter(pk=id).values_list("state", flat=True)
    states = list(live.union(history, all=True))
    assert len(states) <= 1, f"job {id} is in several places: {states}"
    return states[0] if states else None


def rows() -> list[dict[str, Any]]:
    """Every row of the queue and of history as it is, to see that nothing changed."""
    return [vars(row) | {"_state": None} for model in (Job, FinishedJob) for row in model.objects.order_by("pk")]


def ids(jobs: Iterable[ClaimedJob]) -> list[int]:
    return [job.id for job in jobs]


def in_history(id: int) -> None:
    """A job of that id has finished: ids are given a second time, after the sequence was set back."""
    now = database_now(ALIAS)
    given = {"task": "another.task", "arguments": "[[], {}]", "queue": "default", "max_attempts": 1}
    instants = dict.fromkeys(("enqueued_at", "run_at", "finished_at"), now)
    FinishedJob.objects.create(pk=id, state=FinishedState.SUCCEEDED, **given, **instants)


# Who else is there


@contextmanager
def another_session(purpose: str = "another") -> Iterator[str]:
    """The alias of a session beside the test's own, for `using=…`. It fails where it would wait for a lock."""
    with private_connection(ALIAS, purpose) as using:
        impatience = _IMPATIENCE.get(connections[using].vendor)
        if impatience and not is_pooled():  # behind a pooler strangers would get it
            with connections[using].cursor() as cursor:
                cursor.execute(impatience)
        yield using


_IMPATIENCE = {"postgresql": "SET lock_timeout = '3s'", "mysql": "SET SESSION innodb_lock_wait_timeout = 3"}


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction that the caller gives up."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def living_worker() -> int:
    return roster.sign_in(ALIAS, "alive", 4, [])


def strike_off(*workers: int) -> None:
    """They were taken for dead."""
    WorkerProcess.objects.filter(pk__in=workers).delete()


def claimed_by_the_dead() -> list[ClaimedJob]:
    """All that is ready, by a worker that was taken for dead since."""
    worker = living_worker()
    jobs = claim(worker_id=worker)
    strike_off(worker)
    return jobs
