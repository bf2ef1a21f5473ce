"""The leader: elect, keep, resign. The one process that turns due occurrences into jobs.

The protocol, which the code below can be reviewed against:

1. A candidate opens a private session and asks for the advisory lock twice a second. Whoever gets it leads: that is
   a term. It ticks, and between ticks it syncs the declarations, which it has read before it asked.
2. Each transaction of a term first proves that the lock is this session's (`lock.Lock.prove`). Any error of the
   database, or a proof that fails, ends the term at once: the session is closed and nothing more is written in it.
3. The leader speaks to the server at least once a second, also when nothing is due. The server ends a session that is
   silent for `lock.LEASE` seconds and so frees its lock: a process that hangs, or is cut off, is replaced, and finds
   its session gone when it wakes.
4. Between ticks it sleeps until the next due instant, and is woken by whoever changes a schedule or delays a job.
5. Behind a transaction pooler a session is nobody's own. There the lock lasts for a transaction, and in between the
   row of the newest term tells who leads: each proof renews it, and fails once there is a newer one. A candidate
   begins a term when it has watched that row for `alive.PATIENCE` seconds, and nobody renewed it. It takes the lock
   for that look, so a proof waits for the lock if need be, and reads the row when it has it.
6. Time is the database's, read in each tick. When it leaps against the monotonic clock of the process, ticks are held.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from django.db import DatabaseError, InterfaceError

from schedules import signals
from schedules.declarations.sync import Declarations, declarations
from schedules.leader.alive import Rival
from schedules.leader.lock import Lock, NotLeader, lock_on
from schedules.leader.term import Term
from worker import roster
from worker.clock import Monotonic, database_now
from worker.patience import Tries
from worker.sessions.connection import private_connection

STANDBY = 0.5
"""Seconds between two attempts to get the lock."""
LONGEST_RETRY = 5.0
"""Seconds between two tries in a new session, where something fails again and again."""


class Leader:
    """Leads whenever it can get the lock, until it is told to stop.

    `host` measures its spans of time. `longest_sleep`: seconds, if not as the protocol has it.
    """

    def __init__(self, alias: str, host: Monotonic = time, longest_sleep: float | None = None) -> None:
        self.alias = alias
        self.host = host
        self.longest_sleep = longest_sleep
        self.name = roster.process_name()
        self.rival = Rival(host)
        self.tries = Tries(LONGEST_RETRY, STANDBY)
        self.term = 0
        """The last of its own."""
        self.news = threading.Event()
        self.stopped = threading.Event()
        self.started_at: datetime | None = None
        """When this process was first seen by the database, whether or not it led then: so old is what it declares."""
        self.stands_by = False

    # From any thread

    def wake(self) -> None:
        """A schedule or a delayed job was added or changed."""
        self.news.set()

    def stop(self) -> None:
        self.stopped.set()
        self.news.set()

    # The loop

    def run(self) -> None:
        """Stand by, lead, stand by … Survives the loss of the database, as often as it happens."""
        while not self.stopped.is_set():
            try:
                with private_connection(self.alias, "leader") as using:
                    self._stand_by(using)
            except (DatabaseError, InterfaceError, NotLeader) as error:
                delay = self.tries.failed(time.monotonic())
                signals.leader_disconnected.send_robust(None, leader=self.name, error=error, retry_in=delay)
                self.stopped.wait(delay)

    def run_once(self) -> bool:
        """Lead until nothing is due, as plain cron would want it. False: another process leads."""
        with private_connection(self.alias, "leader") as using, suppress(NotLeader):
            lock = lock_on(using)
            declared = self._read(using)
            if self._may_lead_once_it_knows(using, lock):
                with self._term(using, lock, declared) as term:
                    while not self.stopped.is_set() and term.turn() == 0:
                        pass
                return True
        return False

    def _stand_by(self, using: str) -> None:
        lock = lock_on(using)
        declared = self._read(using)
        lock.prepare()
        while not self.stopped.is_set():
            if self._may_lead(using, lock):
                self.stands_by = False
                self._lead(using, lock, declared)
            elif not self.stands_by:
                self.stands_by = True
                signals.leader_standby.send_robust(None, leader=self.name)
            self.stopped.wait(STANDBY)

    def _read(self, using: str) -> Declarations:
        """Thousands take seconds, and so may the modules of their tasks. No leader could be silent for so long."""
        self.started_at = self.started_at or database_now(using)
        return declarations()

    def _may_lead(self, using: str, lock: Lock) -> bool:
        if not lock.lasts and self.rival.leads(using, self.term):
            return False
        return lock.acquire()

    def _may_lead_once_it_knows(self, using: str, lock: Lock) -> bool:
        while not (may_lead := self._may_lead(using, lock)) and not lock.lasts and not self.rival.lives:
            if self.stopped.wait(STANDBY):
                return False
        return may_lead

    def _lead(self, using: str, lock: Lock, declared: Declarations) -> None:
        with self._term(using, lock, declared) as term:
            while True:
                self.news.clear()
                if self.stopped.is_set():
                    return
                self.news.wait(term.turn())

    @contextmanager
    def _term(self, using: str, lock: Lock, declared: Declarations) -> Iterator[Term]:
        started_at = self.started_at or database_now(using)
        term = Term(using, lock, self.name, started_at, declared, host=self.host, longest_sleep=self.longest_sleep)
        try:
            term.begin(after=self.rival.seen)
            self.term = term.id
            yield term
            term.end()
            lock.release()
        except (DatabaseError, InterfaceError, NotLeader) as error:
            lock.abandon()
            if term.id:
                signals.leader_lost.send_robust(None, leader=self.name, term=term.id, error=error)
            raise
