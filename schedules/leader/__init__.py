"""The leader: elect, keep, resign. The one process that turns due occurrences into jobs.

The protocol, which the code below can be reviewed against:

1. A candidate opens a private session and asks for the advisory lock twice a second. Whoever gets it leads: that is
   a term. It syncs the declarations and then ticks.
2. Each transaction of a term first proves that the lock is this session's (`Lock.prove`). Any error of the
   database, or a proof that fails, ends the term at once: the session is closed and nothing more is written in it.
3. The leader speaks to the server at least once a second, also when nothing is due. The server ends a session that is
   silent for `lock.LEASE` seconds and so frees its lock: a process that hangs, or is cut off, is replaced, and finds
   its session gone when it wakes.
4. Between ticks it sleeps until the next due instant, and is woken by whoever changes a schedule or delays a job.
5. Behind a transaction pooler a session is nobody's own. There the lock lasts for a transaction, and in between the
   row of the newest term tells who leads: each proof renews it, and fails once there is a newer one. A candidate
   begins a term when that row was not renewed for `PATIENCE` seconds.
6. Time is the database's, read in each tick. When it leaps against the monotonic clock of the process, ticks are held.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Exists, Max

from schedules import signals
from schedules.declarations.sync import declared, retire_undeclared, sync
from schedules.leader.glance import glance
from schedules.leader.lock import Lock, NotLeader, lock_on
from schedules.models import Leadership, Schedule
from schedules.occurrences import ledger
from schedules.occurrences.materialize import Authority
from schedules.scheduler import replan_stale_zones, tick
from worker import roster
from worker.chores import Chores
from worker.clock import DatabaseNow, ServerClock, database_now
from worker.options import options
from worker.sessions.connection import private_connection
from worker.wakeup.asking import longest_wait

STANDBY = 0.5
"""Seconds between two attempts to get the lock."""
LONGEST_SILENCE = 1.0
"""Seconds that a leader may sleep; see rule 3."""
PATIENCE = 5.0
"""See rule 5."""
LEAP = 300.0
"""Seconds by which the database's clock may differ from what the monotonic clock expects."""
HOLD_AFTER_LEAP = 30.0
UPKEEP_EVERY = 60.0
SHOWN_ALIVE = 10.0
"""Seconds after its last sign of life for which a leader counts as alive."""


class Leader:
    """Leads whenever it can get the lock, until it is told to stop."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.name = roster.process_name()
        self.news = threading.Event()
        self.stopped = threading.Event()
        self.started_at: datetime | None = None
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
                signals.leader_disconnected.send_robust(None, leader=self.name, error=error, retry_in=STANDBY)
                self.stopped.wait(STANDBY)

    def run_once(self) -> bool:
        """Lead until nothing is due, as plain cron would want it. False: another process leads."""
        with private_connection(self.alias, "leader") as using, suppress(NotLeader):
            lock = lock_on(using)
            if self._may_lead(using, lock):
                with self._term(using, lock) as term:
                    while not self.stopped.is_set() and term.turn() == 0:
                        pass
                return True
        return False

    def _stand_by(self, using: str) -> None:
        lock = lock_on(using)
        lock.prepare()
        while not self.stopped.is_set():
            if self._may_lead(using, lock):
                self.stands_by = False
                self._lead(using, lock)
            elif not self.stands_by:
                self.stands_by = True
                signals.leader_standby.send_robust(None, leader=self.name)
            self.stopped.wait(STANDBY)

    def _may_lead(self, using: str, lock: Lock) -> bool:
        return not _another_leads(using, lock, self.name) and lock.acquire()

    def _lead(self, using: str, lock: Lock) -> None:
        with self._term(using, lock) as term:
            while True:
                self.news.clear()
                if self.stopped.is_set():
                    return
                self.news.wait(term.turn())

    @contextmanager
    def _term(self, using: str, lock: Lock) -> Iterator[Term]:
        self.started_at = self.started_at or database_now(using)
        term = Term(using, lock, self.name, self.started_at)
        try:
            term.begin()
            yield term
            term.end()
            lock.release()
        except (DatabaseError, InterfaceError, NotLeader) as error:
            lock.abandon()
            if term.id:
                signals.leader_lost.send_robust(None, leader=self.name, term=term.id, error=error)
            raise


class Term:
    """One continuous hold of the lock."""

    def __init__(self, using: str, lock: Lock, leader: str, started_at: datetime) -> None:
        self.using = using
        self.lock = lock
        self.leader = leader
        self.leader_started_at = started_at
        self.id = 0
        self.chores = Chores()
        self.longest_sleep = min(LONGEST_SILENCE, longest_wait(using))
        self.clock = ServerClock(database_now(using))
        self.renew_every = options().HEARTBEAT if lock.lasts else min(options().HEARTBEAT, LONGEST_SILENCE)
        self.renew_at = self.upkeep_at = self.hold_until = time.monotonic()

    @property
    def authority(self) -> Authority:
        return Authority(self.id, self.prove)

    def begin(self) -> None:
        with transaction.atomic(using=self.using):
            self.lock.prove()
            if _another_leads(self.using, self.lock, self.leader):
                raise NotLeader("Another process began a term at this moment.")
            now = database_now(self.using)
            row = Leadership(leader=self.leader, lock=self.lock.kind, started_at=now, renewed_at=now)
            (begun,) = Leadership.objects.using(self.using).bulk_create([row])
        self.id = begun.pk
        signals.leader_elected.send_robust(None, leader=self.leader, term=self.id, lock=self.lock.kind)
        sync(self.using, self.leader_started_at, declared(), self.authority)
        replan_stale_zones(self.using, self.authority)
        self._tell_next_run(now)

    def prove(self) -> None:
        """Raises NotLeader unless this term may write now. Comes first in each transaction."""
        self.lock.prove()
        if not self.lock.lasts and not self._renewed():
            raise NotLeader("Another process has begun a term since.")

    def turn(self) -> float:
        """One tick, and what belongs to it. Returns how many seconds the leader may sleep."""
        now, due = glance(self.using)
        self._watch_clock(now)
        self._renew()
        if time.monotonic() < self.hold_until:
            return LONGEST_SILENCE
        self._upkeep(now)
        if due is not None and due <= now:
            due = tick(self.using, now, self.chores, self.authority)
        else:
            self.chores.keep(self.using, now)
        if due is None:
            return self.longest_sleep
        return min(self.longest_sleep, max(0.0, (due - self.clock.now()).total_seconds()))

    def end(self) -> None:
        self._update(ended_at=DatabaseNow())
        signals.leader_resigned.send_robust(None, leader=self.leader, term=self.id)

    def _watch_clock(self, now: datetime) -> None:
        """A clock that was set says nothing about what is due: hold, and look again."""
        leapt = (now - self.clock.now()).total_seconds()
        self.clock.set(now)
        if abs(leapt) > LEAP:
            self.hold_until = time.monotonic() + HOLD_AFTER_LEAP
            self._update(trouble=f"The database's clock leapt by {leapt:.0f} s.", renewed_at=DatabaseNow())
            signals.clock_leapt.send_robust(None, leader=self.leader, seconds=leapt)

    def _renew(self) -> None:
        if time.monotonic() >= self.renew_at:
            self.renew_at = time.monotonic() + self.renew_every
            trouble = {} if time.monotonic() < self.hold_until else {"trouble": ""}
            self._update(renewed_at=DatabaseNow(), **trouble)

    def _upkeep(self, now: datetime) -> None:
        if time.monotonic() >= self.upkeep_at:
            self.upkeep_at = time.monotonic() + UPKEEP_EVERY
            retire_undeclared(self.using, now, self.authority)
            ledger.prune(self.using, now - options().KEEP_LEDGER)
            Leadership.objects.using(self.using).filter(renewed_at__lt=now - options().KEEP_LEDGER).delete()

    def _renewed(self) -> bool:
        """A sign of life, unless a newer term has begun."""
        terms = Leadership.objects.using(self.using)
        newest = terms.filter(~Exists(terms.filter(pk__gt=self.id)), pk=self.id)
        return newest.update(renewed_at=DatabaseNow()) == 1

    def _update(self, **columns: Any) -> None:
        with transaction.atomic(using=self.using):
            self.prove()
            Leadership.objects.using(self.using).filter(pk=self.id).update(**columns)

    def _tell_next_run(self, now: datetime) -> None:
        rows = Schedule.objects.using(self.using)
        upcoming = rows.filter(next_run_at__isnull=False).order_by("next_run_at").values_list("next_run_at", "name")
        next_run_at, name = upcoming.first() or (None, "")
        signals.leader_synced.send_robust(
            None, schedules=rows.count(), next_run_at=next_run_at, next_name=name, now=now
        )


def _another_leads(using: str, lock: Lock, leader: str) -> bool:
    """Where the lock lasts for a transaction only, the signs of life tell who leads in between."""
    if lock.lasts:
        return False
    term = newest_term(using)
    return is_alive(term, database_now(using), PATIENCE) and term.leader != leader


def newest_term(using: str) -> Leadership | None:
    return Leadership.objects.using(using).order_by("-pk").first()


def is_alive(term: Leadership | None, now: datetime, seconds: float | None = None) -> TypeGuard[Leadership]:
    """Whether the newest term still lasts; `seconds`: how long it may give no sign of life.

    A sign of life from the future was given before the database's clock was set back: it says nothing of now.
    """
    patience = timedelta(seconds=seconds or max(SHOWN_ALIVE, 2 * options().HEARTBEAT))
    return term is not None and term.ended_at is None and abs(now - term.renewed_at) <= patience


def silence(using: str) -> float:
    """Seconds since a leader gave a sign of life; infinite if none ever did."""
    last = Leadership.objects.using(using).aggregate(last=Max("renewed_at"))["last"]
    return math.inf if last is None else (database_now(using) - last).total_seconds()
