"""A slot: one thread, in which one job after another runs as if it were the first.

It decides in which context and with which connections a job runs. Which job that is, the pool decides.
"""

from __future__ import annotations

from contextvars import Context
from functools import partial
from typing import Any

from django.core.cache import caches
from django.utils.functional import SimpleLazyObject

from worker.clock import Clock
from worker.current import runs, under_way
from worker.own_options import task_of
from worker.reports import Reports
from worker.running import execution
from worker.running.atomic_run import AtomicRuns
from worker.running.enquiries import Enquiries
from worker.running.slot_connections import NoSession, SlotConnections
from worker.tasks import Task
from worker.telling import tell_started
from worker.values import ClaimedJob, Ended


class Slot:
    """Used by the thread that makes it, and by no other."""

    def __init__(self, clock: Clock, atomic_runs: AtomicRuns, reports: Reports, enquiries: Enquiries) -> None:
        self.connections = SlotConnections(clock, atomic_runs.using)
        self._now = clock.now
        self._atomic_runs = atomic_runs
        self._worker = atomic_runs.worker
        self._reports = reports
        self._enquiries = enquiries
        self._context = _context()
        self._is_to_end_all = False

    def run(self, job: ClaimedJob) -> Ended:
        """Run the job and say what came of it. Raises NoSession: it has not begun."""
        return self._context.copy().run(self._run, job)

    def after_job(self) -> None:
        """Once what came of the job is on its way."""
        if self._is_to_end_all:
            self._is_to_end_all = False
            self.connections.end_all()
        else:
            self.connections.after_job()

    def _run(self, job: ClaimedJob) -> Ended:
        started_at = self._now()
        try:
            task = task_of(job)
            if task.atomic or task.fresh_connection or self.connections.gone:
                self._prepare(task)
            under_way.set(_run_of((job, started_at, self._worker, self._reports, self._enquiries, {})))
            if task.log:
                self._reports.begin_log(job)
            tell_started(job, started_at)
            self.connections.begin_job()
            if task.atomic:
                with self._reports.of_body():
                    return self._atomic_runs.run(job, started_at, self.connections)
            outcome = execution.run(job, self._now, call=self.connections.call)
            if self.connections.gone:
                self.connections.reconnect()
                outcome = execution.run(job, self._now, call=self.connections.call)
            return Ended(job, outcome, started_at, self._now())
        except NoSession:
            raise
        except BaseException as error:  # noqa: BLE001  a fault of ours: an outcome too
            now = self._now()
            return Ended(job, execution.after_fault(job, error, now), started_at, now)

    def _prepare(self, task: Task) -> None:
        if task.fresh_connection:
            self._is_to_end_all = True
            self.connections.end_all()
        if self.connections.gone:
            self.connections.reconnect()
        if task.atomic:
            self.connections.connect(self._atomic_runs.using)


_run_of = partial(tuple.__new__, runs.Run)
"""A named tuple in half the time."""


def _context() -> Context:
    """What each job's own context is a copy of: that of a new thread, but for Django's caches.

    Those live in the context. A slot makes each when it is first used, and keeps it, as a thread would.
    """
    context = Context()
    for alias in caches:
        cache: Any = SimpleLazyObject(partial(caches.create_connection, alias))
        context.run(caches.__setitem__, alias, cache)
    return context
