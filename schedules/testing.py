"""For tests: run jobs at once, forget declarations afterwards, and move a clock by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import copy_context
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connections, transaction

from schedules import changes
from schedules.occurrences.due_schedules import due_schedules
from schedules.occurrences.materialize import ANYONE, materialize
from worker import queue, registry, roster
from worker.clock import Clock, ServerClock, database_now
from worker.current import under_way
from worker.current.runs import Run
from worker.known import is_known
from worker.messages.echo import quoted
from worker.models import FinishedJob
from worker.options import options
from worker.own_options import task_of
from worker.reports import Reports
from worker.running import execution
from worker.running.in_place import InPlace
from worker.telling import tell_ended, tell_started
from worker.values import ClaimedJob, Ended

__all__ = ["ManualClock", "isolated_registry", "run_jobs"]

BATCH = 1000


def run_jobs(*, queues: Sequence[str] = (), clock: Clock | None = None, most: int = 1000) -> list[FinishedJob]:
    """Run all jobs that are due, in this thread, one after the other. Returns those that ended, in order.

    Tasks use the connection and the transaction of the test. Schedules that are due make their jobs, and jobs that a
    job enqueues run too. A failed job has its error; one that is to be tried again later is not returned.

    queues: names of queues; without names, all queues. clock: tells the time instead of the database. Raises
    RuntimeError if `most` jobs have run and there are still more.
    """
    with _signed_in(queues) as worker_id:
        runs = _Runs(worker_id, queues, clock)
        for job in runs.jobs():
            if runs.begun > most:
                queue.release(runs.alias, [job])
                raise RuntimeError(f"{most} jobs have run, and there is still more to do, such as {quoted(job.task)}.")
            runs.run(job)
    finished = FinishedJob.objects.using(runs.alias).in_bulk(runs.ended)
    return [finished[id] for id in runs.ended if id in finished]


def isolated_registry(*, empty: bool = False) -> AbstractContextManager[None]:
    """Forget the tasks and schedules that are declared within it. It holds for all threads of the process.

    empty: within it, what was declared before is unknown. If a module is imported within it for the first time, its
    tasks are unknown afterwards, because Python does not run the module again.
    """
    return registry.isolated(empty=empty)


class ManualClock:
    """A clock that stands still until the test moves it: a time of day (aware), and monotonic seconds."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass: both clocks go forward by so many seconds."""
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds

    def set(self, now: datetime) -> None:
        """Set the time of day, forward or back, as a person might. No time passes."""
        self._now = now


@contextmanager
def _signed_in(queues: Sequence[str]) -> Iterator[int]:
    """Nothing is claimed in the name of nobody."""
    alias = options().DATABASE
    worker_id = roster.sign_in(alias, _NAME, 1, queues)
    try:
        yield worker_id
    finally:
        roster.sign_off(alias, worker_id)


class _Runs:
    """A worker and a leader in one, without a session, a thread or a lock of its own."""

    def __init__(self, worker_id: int, queues: Sequence[str], clock: Clock | None) -> None:
        self.alias = options().DATABASE
        self._enquiries = InPlace(self.alias)
        self.worker_id = worker_id
        self.queues = queues
        clock = clock or ServerClock(database_now(self.alias))  # not asked where it takes nothing more
        self.now = clock.now
        self.reports = Reports(clock, wake=lambda: None)
        self.unknown: set[str] = set()
        self.begun = 0
        self.ended: list[int] = []

    def jobs(self) -> Iterator[ClaimedJob]:
        """One after the other, as long as there is one that is due."""
        while job := self._next():
            if over := queue.noted(job):
                self._record(over)
            elif is_known(job):
                self.begun += 1
                yield job
            else:
                self.unknown.add(job.task)
                queue.release(self.alias, [job])

    def run(self, job: ClaimedJob) -> None:
        started_at = self.now()
        copy_context().run(self._run, job, started_at)

    def _run(self, job: ClaimedJob, started_at: datetime) -> None:
        under_way.set(Run(job, started_at, _NAME, self.reports, self._enquiries, {}))
        if task_of(job).log:
            self.reports.begin_log(job)
        tell_started(job, started_at)
        with _apart(self.alias):
            outcome = execution.run(job, self.now, call=self._atomically if task_of(job).atomic else _plainly)
        self._record(Ended(job, outcome, started_at, self.now()))

    def _record(self, ended: Ended) -> None:
        self.reports.write(self.alias, [ended.job], [ended])
        tell_ended(queue.ack(self.alias, [ended], _NAME))
        self.ended.append(ended.job.id)

    def _next(self) -> ClaimedJob | None:
        return self._claimed() or (self._made_ready() and self._claimed()) or None

    def _claimed(self) -> ClaimedJob | None:
        claimed = queue.claim(self.alias, self.worker_id, 1, self.queues, self.unknown)
        return claimed[0] if claimed else None

    def _made_ready(self) -> bool:
        now = self.now()
        resumed = list(changes.end_pauses(self.alias, now, ANYONE))
        settled = materialize(self.alias, now, due_schedules(self.alias, now, BATCH))
        return bool(queue.promote(self.alias, now) + settled + len(resumed))

    def _atomically(self, function: Callable[..., Any], /, *args: Any) -> Any:
        with transaction.atomic(using=self.alias):
            return function(*args)


def _plainly(function: Callable[..., Any], /, *args: Any) -> Any:
    return function(*args)


@contextmanager
def _apart(using: str) -> Iterator[None]:
    """Where there is a transaction already, it survives what runs in this block. What that has written stays.

    But not where the database would take nothing more: then it is undone up to the beginning of the block.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        yield
        return
    mark = connection.savepoint()
    assert mark is not None, "There are no transactions in this database."
    yield
    with suppress(DatabaseError):
        if not transaction.get_rollback(using):
            transaction.savepoint_commit(mark, using)
            return
    transaction.set_rollback(False, using)
    transaction.savepoint_rollback(mark, using)


_NAME = "run_jobs"
"""Of the worker, for people who look."""
