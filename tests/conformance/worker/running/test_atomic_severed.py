"""The session of an atomic run is cut at each step between its body and the answer to its commit.

CARILLON_ATOMIC_CUTS says how often; `make check-atomic` does it at length. A SQLite file has no server that could cut
a session, so there the steps fail instead.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from django.db import OperationalError, connection

from schedules import background
from tests.app.models import Effect
from tests.conformance.worker.process.workers import Crew
from worker.models import FinishedJob, Job

CUTS = int(os.environ.get("CARILLON_ATOMIC_CUTS", "40"))
STATEMENTS = 4
"""After the body, the commit not counted; PostgreSQL needs fewer."""
AT_COMMIT, AFTER_COMMIT = STATEMENTS, STATEMENTS + 1
STEPS = AFTER_COMMIT + 1

made: Counter[int] = Counter()
"""Cuts, by the number of the run."""


class Knife:
    """Cuts the session of this thread before its so-manieth statement from now on, or when it has asked to commit."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.left = number % STEPS
        connection.execute_wrappers.append(self.statement)
        connection.commit = self.commit  # type: ignore[method-assign]

    def statement(self, execute: Callable[..., Any], sql: str, params: Any, *what: Any) -> Any:
        if sql.endswith("; COMMIT"):
            self.cut_at_record_and_commit(sql, params)
        if self.left == 0:
            self.cut()
        if self.left < AT_COMMIT:
            self.left -= 1
        return execute(sql, params, *what)

    def cut_at_record_and_commit(self, sql: str, params: Any) -> NoReturn:
        """PostgreSQL is asked for both at once. Cut before, or when it has been asked."""
        if self.number % STEPS == AFTER_COMMIT:
            with connection.cursor() as cursor:
                statement = cursor.mogrify(sql, params)
            ask_postgresql(connection.connection, statement.encode())
        self.cut()

    def commit(self) -> NoReturn:
        if self.left == AFTER_COMMIT:
            ASK_TO_COMMIT[connection.vendor](connection.connection)
        self.cut()

    def cut(self) -> NoReturn:
        connection.execute_wrappers.remove(self.statement)
        del connection.commit
        made[self.number] += 1
        if connection.vendor != "sqlite":
            with socket.socket(fileno=os.dup(connection.connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        raise OperationalError("The session was cut.")


def ask_postgresql(session: Any, statement: bytes = b"COMMIT") -> None:
    session.pgconn.send_query(statement)
    session.pgconn.flush()


ASK_TO_COMMIT: dict[str, Callable[[Any], None]] = {
    "postgresql": ask_postgresql,
    "mysql": lambda session: session.send_query(b"COMMIT"),
    "sqlite": lambda session: session.commit(),
}
"""Without waiting for the answer."""


def trace_and_be_cut(number: int) -> None:
    """Cut the first time only."""
    Effect.objects.create(key=str(number))
    if not made[number]:
        Knife(number)


@pytest.fixture
def declared_for_this_test(own_declarations: None) -> Iterator[None]:
    yield
    made.clear()


@pytest.mark.usefixtures("database", "declared_for_this_test")
def test_whenever_its_session_is_cut_an_atomic_job_takes_effect_exactly_once(crew: Crew) -> None:
    task = background(atomic=True, backoff=[0])(trace_and_be_cut)
    jobs = task.enqueue_many([((number,), {}) for number in range(CUTS)])

    crew.start(threads=4, until_idle=True).wait(within=30 + CUTS / 4)

    assert made == Counter(range(CUTS))
    assert Counter(Effect.objects.values_list("key", flat=True)) == Counter(map(str, range(CUTS)))
    assert not Job.objects.exists()
    attempts = dict(FinishedJob.objects.filter(state="succeeded", interruptions=0).values_list("pk", "attempts"))
    assert sorted(attempts) == jobs
    undone = [id for number, id in enumerate(jobs) if number % STEPS != AFTER_COMMIT]
    assert all(attempts[id] > 1 for id in undone)
