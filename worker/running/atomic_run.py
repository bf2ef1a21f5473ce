"""Runs of atomic tasks: what a task does in the queue's database, and that its job succeeded, in one transaction.

Both are committed or neither is. The transaction is that of the slot's connection, which the task uses too. Only
success is recorded in it. With any other outcome the work of the job is undone, and the worker's thread records the
outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from worker import queue, signals
from worker.clock import answers
from worker.outcomes import Error, Failed, Snoozed, Succeeded
from worker.own_options import task_of
from worker.running import execution
from worker.running.open_transaction import TransactionLeftOpen, is_refused_as_reader
from worker.running.slot_connections import NoSession, SlotConnections
from worker.values import ClaimedJob, Ended, Mark

SHORTEST_DELAY = 5.0
"""Seconds until a job runs again whose success the database refused to record, for no fault of the job."""


class Taken(Exception):
    """The job was given to another worker while it ran, so what it did here is undone."""


class _Undo(Exception):
    """Takes the place of what the task raised on its way out of the transaction, where that might do any harm."""


@dataclass(frozen=True, slots=True)
class AtomicRuns:
    """Runs jobs in transactions of the database `using`, and records their success under the worker's name."""

    using: str
    worker: str
    now: Callable[[], datetime]

    def run(self, job: ClaimedJob, started_at: datetime, own: SlotConnections) -> Ended:
        """`own`: the connections of this thread. Raises NoSession if the transaction could not be begun."""
        run = _Run(self, job, started_at, own)
        outcome = execution.run(job, self.now, call=run.call)
        if run.refused is not None:
            raise NoSession from run.refused
        ended = Ended(job, outcome, started_at, self.now(), recorded=run.committed)
        if run.success_refused is not None and self._refuses_failures(ended):
            return self._put_off(ended, run.success_refused)
        return ended

    def _refuses_failures(self, ended: Ended) -> bool:
        """Whether the database would refuse a failure of the job as well. Then it is for no fault of the job."""
        failure = Failed(Error(ended.job.attempts + 1, "", "", "", ended.finished_at))
        try:
            queue.ack_in_vain(self.using, ended._replace(outcome=failure), self.worker)
        except (DatabaseError, InterfaceError):
            return answers(self.using)
        return False

    def _put_off(self, ended: Ended, error: DatabaseError) -> Ended:
        """What it did is undone, so it runs again. That is no attempt."""
        delay = max(SHORTEST_DELAY, task_of(ended.job).retry_delay(ended.job.attempts + 1, ended.job.id))
        signals.success_refused.send_robust(None, job=ended.job, error=error, retry_in=delay)
        return ended._replace(outcome=Snoozed(delay), undone_since=str(error))


class _Run:
    def __init__(self, runs: AtomicRuns, job: ClaimedJob, started_at: datetime, own: SlotConnections) -> None:
        self.runs = runs
        self.job = job
        self.started_at = started_at
        self.own = own
        self.committed = False
        self.refused: OperationalError | InterfaceError | None = None
        """Why the transaction could not be begun."""
        self.success_refused: DatabaseError | None = None
        """Why the transaction could not record it."""

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call the task in a transaction that also records the job as succeeded.

        On SQLite the transaction takes the one write lock when it first writes. It is refused the lock if it has read
        before, and somebody else writes or has written since; so it begins again, and takes the lock beforehand.
        """
        try:
            return self._transact("DEFERRED", function, *args, **kwargs)
        except OperationalError as error:
            if not is_refused_as_reader(error):
                raise
        return self._transact("IMMEDIATE", function, *args, **kwargs)

    def _transact(self, mode: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        result = failure = self.success_refused = None
        has_begun = False
        try:
            with _transaction(connections[self.runs.using], mode) as connection:
                connection.on_commit(self._note_commit)  # before those of the task, which may raise
                mark = queue.mark(connection.alias)
                has_begun = True
                try:
                    result = function(*args, **kwargs)
                except BaseException as error:  # noqa: BLE001  it is raised again when all is undone
                    failure = error
                    raise _Undo from None
                self._require_all_else_ended(connection)
                queue.require_mark(connection.alias, mark)
                self._record(result, mark)
        except BaseException as error:
            if self.committed:
                signals.callback_failed.send_robust(None, job=self.job, error=error)
                return result
            if not has_begun and isinstance(error, (OperationalError, InterfaceError)):
                self.refused = error
            if failure is None:
                raise
        if failure is None:
            return result
        try:
            raise failure
        finally:
            del failure  # it knows this frame, which would know it

    def _require_all_else_ended(self, connection: BaseDatabaseWrapper) -> None:
        if connection.savepoint_ids:
            raise TransactionLeftOpen([connection.alias])
        if not connection.in_atomic_block:
            raise TransactionManagementError(_ENDED)
        self.own.require_no_transaction(but=connection.alias)

    def _record(self, success: Succeeded, mark: Mark) -> None:
        ended = Ended(self.job, success, self.started_at, self.runs.now())
        try:
            recorded = queue.ack_marked(self.runs.using, ended, self.runs.worker, mark)
        except TransactionManagementError:
            raise
        except DatabaseError as error:
            self.success_refused = error
            raise
        if not recorded:
            raise Taken

    def _note_commit(self) -> None:
        self.committed = True


@contextmanager
def _transaction(connection: BaseDatabaseWrapper, mode: str) -> Iterator[BaseDatabaseWrapper]:
    with ExitStack() as until_the_end:
        if not connection.get_autocommit():  # a project may have it off
            connection.set_autocommit(True)
        with _mode_of_sqlite(connection, mode):
            until_the_end.enter_context(transaction.atomic(using=connection.alias, durable=True))
        yield connection


@contextmanager
def _mode_of_sqlite(connection: BaseDatabaseWrapper, mode: str) -> Iterator[None]:
    """How a transaction that begins in this block begins, whatever the project has set for its own."""
    if connection.vendor != "sqlite":
        yield
        return
    of_project = connection.transaction_mode  # type: ignore[attr-defined]
    connection.transaction_mode = mode  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connection.transaction_mode = of_project  # type: ignore[attr-defined]


_ENDED = "The task ended the job's transaction: it may not commit, roll back, or close the connection."
