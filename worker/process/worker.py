"""A worker: it works in a database session until it is told to stop, and opens a new session if one is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence

from django.db import DatabaseError, InterfaceError, connections

from worker import roster, signals, tasks
from worker.clock import ServerClock, database_now
from worker.dialects import dialect_of
from worker.options import options
from worker.patience import Patience, Tries
from worker.process.deputy import Deputy
from worker.process.ending import Ending
from worker.process.intake import Intake
from worker.process.loop import Loop
from worker.process.marks import Marks
from worker.process.pulse import Pulse
from worker.process.standing import Standing
from worker.process.unrecorded import Unrecorded
from worker.reports import Reports
from worker.running.atomic_run import AtomicRuns
from worker.running.pool import ThreadPool
from worker.sessions.connection import private_connection
from worker.wakeup.asking import longest_wait

LONGEST_RETRY = 5.0
"""Seconds between two tries with a database that is not there, or takes nothing; fewer if signs of life are due."""


class Worker:
    """Drains queues of the database `alias` until told to stop.

    `queues`: their names; none: all. `longest_sleep`: seconds between two looks at the queue when idle.
    `until_idle`: end when nothing is due. `leader_sign(using)`: the last sign of life of any leader.
    """

    def __init__(
        self,
        alias: str,
        *,
        threads: int,
        leader_sign: Callable[[str], Hashable],
        queues: Sequence[str] = (),
        longest_sleep: float | None = None,
        until_idle: bool = False,
        project: str = "",
    ) -> None:
        self.alias = alias
        self.name = roster.process_name()
        self.threads = threads
        self.queues = tuple(queues)
        self.leader_sign = leader_sign
        self.project = project
        self.longest_sleep = longest_sleep or longest_wait(alias)
        self.ending = Ending(when_idle=until_idle)
        self.news = threading.Event()
        self.tries = Tries(min(LONGEST_RETRY, options().HEARTBEAT))
        self.loop: Loop | None = None
        """None: it has not begun, for the database has not told the time yet."""

    # From any thread

    def wake(self) -> None:
        """There may be something to do."""
        self.news.set()

    def stop(self) -> None:
        """First call: finish what runs, within SCHEDULER["GRACE"]. Second: give it back now."""
        self.ending.stop()
        self.news.set()

    # In its own

    def run(self) -> None:
        """Work until stopped. Survives the loss of the database, as often as it happens.

        Raises the error of a database that was not there when it was told to stop before it had begun.
        """
        while True:
            try:
                with private_connection(self.alias, "worker") as using:
                    self.loop = self.loop or self._begin(using)
                    self.loop.work(using)
                    return
            except (DatabaseError, InterfaceError) as error:
                stops = self.ending.stops
                if stops and self.loop is None:
                    raise
                if stops and self.loop and self.loop.is_over_without_database():
                    return
                self._wait_for_database(error, stops)

    def _begin(self, using: str) -> Loop:
        clock = ServerClock(database_now(using))
        dialect = dialect_of(connections[using])
        reports = Reports(clock, self.wake, spares_bodies=dialect.locks.writes_undo_readers)
        pool = ThreadPool(self.threads, clock, self.wake, AtomicRuns(self.alias, self.name, clock.now), reports)
        standing = Standing(self.name, self.threads, self.queues, clock, self.project)
        marks = Marks(clock, needed=dialect.claims.keeps_places, in_one=dialect.claims.has_one_mark)
        unrecorded = Unrecorded(self.name, clock)
        declared = tasks.by_module()
        signals.worker_started.send_robust(None, name=self.name, slots=self.threads, queues=self.queues, tasks=declared)
        return Loop(
            clock=clock,
            pool=pool,
            standing=standing,
            pulse=Pulse(self.alias, standing, clock),
            intake=Intake(self.queues, pool, clock, marks=marks, over=unrecorded.add),
            reports=reports,
            unrecorded=unrecorded,
            deputy=Deputy(self.leader_sign, clock, at_once=self.ending.when_idle),
            ending=self.ending,
            news=self.news,
            patience=Patience(self.longest_sleep),
        )

    def _wait_for_database(self, error: Exception, stops: int) -> None:
        """Until it is time to try again; a stop that is not among `stops` makes it worth trying now.

        An event waits by the clock of this host, so that one measures how long.
        """
        delay = self.tries.failed(time.monotonic())
        signals.database_lost.send_robust(None, name=self.name, error=error, retry_in=delay)
        retry_at = min(time.monotonic() + delay, self.ending.give_back_at)
        while self.ending.stops == stops and (left := retry_at - time.monotonic()) > 0:
            self.news.wait(left)
            self.news.clear()
