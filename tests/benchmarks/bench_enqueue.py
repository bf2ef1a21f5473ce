"""Into the queue: one call a commit, ten thousand at once, and many clients at a time.

Beside each, the same rows inserted bare, through Django's cursor and without a question asked.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import connection, connections, transaction
from django.test import override_settings

from tests.app.tasks import leave_trace
from tests.benchmarks.measure import Contender, Figures, side_by_side
from worker import wakeup
from worker.models import Job

ONE_BY_ONE = 2_000
AT_ONCE = 10_000
CLIENTS = 16
OF_EACH_CLIENT = 150


def main(runs: int) -> None:
    Job.objects.all().delete()
    singly = [Contender("Carillon", partial(one_by_one, call)), Contender("bare INSERT", partial(one_by_one, insert))]
    side_by_side("Enqueue, one by one", singly, runs)
    bulk = [Contender("Carillon", partial(at_once, enqueue)), Contender("bare", partial(at_once, _BULK[_vendor]))]
    side_by_side(f"Enqueue {AT_ONCE:,} at once", bulk, runs)
    if _vendor == "postgresql":
        clients = [
            Contender("Carillon", partial(by_clients, call, "auto")),
            Contender("without announcing", partial(by_clients, call, "poll")),
            Contender("bare INSERT", partial(by_clients, insert, "auto")),
        ]
        side_by_side(f"Enqueue by {CLIENTS} clients", clients, runs)


def one_by_one(enqueue_one: Callable[[int], object]) -> Figures:
    for number in range(ONE_BY_ONE // 10):
        enqueue_one(number)
    return _timed(lambda: [enqueue_one(number) for number in range(ONE_BY_ONE)], ONE_BY_ONE)


def at_once(enqueue_all: Callable[[], object]) -> Figures:
    return _timed(enqueue_all, AT_ONCE)


def by_clients(enqueue_one: Callable[[int], object], wakeup_by: str) -> Figures:
    """Each in a process of its own, as web workers are."""
    connections.close_all()
    processes = multiprocessing.get_context("fork")
    start = processes.Barrier(CLIENTS + 1)

    def work() -> None:
        wakeup.told.forget()
        with override_settings(SCHEDULER={"WAKEUP": wakeup_by}):
            enqueue_one(0)
            start.wait()
            for number in range(OF_EACH_CLIENT - 1):
                enqueue_one(number)

    clients = [processes.Process(target=work) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    start.wait()
    begun = time.perf_counter()
    for client in clients:
        client.join()
    took = time.perf_counter() - begun
    _expect(CLIENTS * OF_EACH_CLIENT)
    return {"jobs/s": CLIENTS * OF_EACH_CLIENT / took}


def call(number: int) -> None:
    leave_trace(f"trace {number}")


def insert(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, _row(number))
        cursor.fetchone()


def enqueue() -> None:
    leave_trace.enqueue_many([((f"trace {number}",), {}) for number in range(AT_ONCE)])


def _insert_unnested() -> None:
    columns = [list(column) for column in zip(*map(_row, range(AT_ONCE)), strict=True)]
    source = ", ".join(f"%s::{kind}[]" for kind in _KINDS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO worker_job ({_COLUMNS}) SELECT {_SELECTED} FROM unnest({source}) {_NAMED}", columns
        )


def _insert_many() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for start in range(0, AT_ONCE, 1000):
            values = ", ".join([_VALUES] * 1000)
            params = [value for number in range(start, start + 1000) for value in _row(number)]
            cursor.execute(f"INSERT INTO worker_job ({_COLUMNS}) VALUES {values}", params)


def _row(number: int) -> Sequence[Any]:
    return (leave_trace.task.name, json.dumps([[f"trace {number}"], {}]), "default", 0, 5, "ready")


def _timed(work: Callable[[], object], jobs: int) -> Figures:
    _expect(None)
    begun, used = time.perf_counter(), time.process_time()
    work()
    took, used = time.perf_counter() - begun, time.process_time() - used
    _expect(jobs)
    return {"jobs/s": jobs / took, "client µs/job": used / jobs * 1e6}


def _expect(jobs: int | None) -> None:
    """See that there are so many, whatever there was before, and forget them."""
    found = Job.objects.all().delete()[0]
    assert jobs is None or found == jobs, f"{found} jobs, but {jobs} were enqueued"


_vendor = connection.vendor
_BULK = {"postgresql": _insert_unnested, "mysql": _insert_many, "sqlite": _insert_many}
_NOW = {
    "postgresql": "statement_timestamp()",
    "mysql": "UTC_TIMESTAMP(6)",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
}[_vendor]
_COLUMNS = (
    "task, arguments, queue, priority, max_attempts, state, "
    "verbose_name, creator, run_at, enqueued_at, attempts, interruptions, errors"
)
_REST = f"'', '', {_NOW}, {_NOW}, 0, 0, ''"
_VALUES = f"(%s, %s, %s, %s, %s, %s, {_REST})"
_INSERT = f"INSERT INTO worker_job ({_COLUMNS}) VALUES {_VALUES} RETURNING id"
_KINDS = ("text", "text", "text", "smallint", "integer", "text")
_NAMED = "AS job(task, arguments, queue, priority, max_attempts, state)"
_SELECTED = f"task, arguments, queue, priority, max_attempts, state, {_REST}"
