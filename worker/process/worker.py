"""A worker: claim → pool → ack, signs of life, a clean end. One thread and one session fetch for all slots.

The loop sleeps until there is something to do: a slot ended a job, somebody announced work, or it is time to look.
What it holds survives the loss of the database: outcomes wait here until they can be recorded.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from django.db import DatabaseError, InterfaceError, connections

from worker import queue, roster, signals, tasks
from worker.clock import ServerClock, database_now
from worker.dialects import dialect_of
from worker.options import options
from worker.process.deputy import Deputy
from worker.process.marks import Marks
from worker.process.pace import Pace
from worker.process.unrecorded import Outbox
from worker.running.atomic_run import AtomicRuns
from worker.running.pool import Pool, ThreadPool
from worker.sessions.connection import private_connection
from worker.values import ClaimedJob
from worker.wakeup.asking import Patience, longest_wait

LONGEST_QUEUEING = 1.0
"""Seconds that claimed jobs may wait here for a slot; then they are given back for other workers."""
LONGEST_RETRY = 5.0
"""Seconds between two tries with a database that is not there, or takes nothing; fewer if signs of life are due."""
GATHERING = 0.005
"""Seconds for which outcomes are gathered, at the most, while more work is in hand than the slots run.

They are recorded together. A slot that finds nothing more to begin says so at once.
"""


class Worker:
    """Drains queues of the database `alias` until told to stop.

    `queues`: their names; none: all. `longest_sleep`: seconds between two looks at the queue when idle.
    `until_idle`: end when nothing is due. `leader_silence(using)`: seconds since a leader gave a sign of life.
    """

    def __init__(
        self,
        alias: str,
        *,
        threads: int,
        leader_silence: Callable[[str], float],
        queues: Sequence[str] = (),
        longest_sleep: float | None = None,
        until_idle: bool = False,
    ) -> None:
        self.alias = alias
        self.name = roster.process_name()
        self.threads = threads
        self.queues = tuple(queues)
        self.until_idle = until_idle
        self.patience = Patience(longest_sleep or longest_wait(alias))
        self.deputy = Deputy(leader_silence, time, at_once=until_idle)
        self.pace = Pace(time)
        self.marks = Marks(time, needed=dialect_of(connections[alias]).keeps_places)
        self.news = threading.Event()
        self.stops = 0
        self.give_back_at = math.inf
        self.unknown: set[str] = set()
        self.outbox = Outbox(self.name)
        self.retry_in = Patience(min(LONGEST_RETRY, options().HEARTBEAT))
        self.id: int | None = None
        self.beat_at = 0.0
        """When the next sign of life is due, by the monotonic clock."""

    # From any thread

    def wake(self) -> None:
        """There may be something to do."""
        self.news.set()

    def stop(self) -> None:
        """First call: finish what runs, within SCHEDULER["GRACE"]. Second: give it back now."""
        self.stops += 1
        self.news.set()

    # The loop

    def run(self) -> None:
        """Work until stopped. Survives the loss of the database, as often as it happens."""
        while True:
            try:
                with private_connection(self.alias, "worker") as using:
                    self._sign_in(using)
                    self._work(using)
                    self._sign_off(using)
                    return
            except (DatabaseError, InterfaceError) as error:
                stops = self.stops
                if stops and not hasattr(self, "pool"):
                    raise  # it has not begun
                if stops and self._is_over_without_database():
                    return
                self._wait_for_database(error, stops)

    def _work(self, using: str) -> None:
        while True:
            self.news.clear()
            delay = self._turn(using)
            if self._is_over():
                return
            self.news.wait(delay)

    def _turn(self, using: str) -> float:
        """One pass. Returns how many seconds it may sleep."""
        ended = self._record(using)
        self._give_sign_of_life(using)
        if self.stops:
            return self._wind_down(using)
        due = self.deputy.do(using, self.clock.now())
        claimed = self._fetch(using)
        self._give_back_what_waits(using)
        if ended or claimed:
            self.patience.reset()
        elif self.until_idle and not self.pool.held() and self._nothing_is_due(due):
            self.stop()
        return self._sleep(due)

    def _nothing_is_due(self, due: datetime | None) -> bool:
        return (due is None or due > self.clock.now()) and self.marks.rest_due_at == math.inf

    def _sleep(self, due: datetime | None) -> float:
        until_due = math.inf if due is None else (due - self.clock.now()).total_seconds()
        pause = GATHERING if len(self.pool.held()) > self.pool.slots else self.patience.next()
        look_at = self.marks.rest_due_at if self._room() > 0 else math.inf
        return max(0.0, min(pause, until_due, min(self.beat_at, look_at) - time.monotonic()))

    # What a turn is made of

    def _record(self, using: str) -> int:
        """Record what came of jobs. What cannot be recorded now is kept for the next turn."""
        held = len(self.pool.held())
        self.outbox.add(self.pool.ended())
        ended = self.outbox.empty(using)
        self.pace.count(ended, held)
        return ended

    def _fetch(self, using: str) -> int:
        """Claim as many jobs as there is room for, half of the most at once."""
        fetched = 0
        while (room := self._room()) > 0:
            limit = min(room, max(1, options().BATCH_SIZE // 2))
            claimed = self._claim(using, limit)
            fetched += claimed
            if claimed < limit:
                break
        return fetched

    def _room(self) -> int:
        return self.pace.room(len(self.pool.held()), self.pool.slots, options().BATCH_SIZE)

    def _claim(self, using: str, limit: int) -> int:
        holds_suspect = any(map(queue.is_suspect, self.pool.held()))
        claim = partial(queue.claim, using, self._id, limit, self.queues, self.unknown, with_suspects=not holds_suspect)
        claimed = self.marks.follow(lambda beyond: claim(beyond=beyond), limit)
        known = [job for job in claimed if tasks.is_registered(job.task)]
        too_many = list(filter(queue.is_suspect, known))[1:]
        queue.release(using, too_many)  # before the one begins, which may end this process at once
        self.pool.submit([job for job in known if job not in too_many])
        self.fetched_at = time.monotonic()
        self._leave(using, [job for job in claimed if not tasks.is_registered(job.task)])
        return len(claimed)

    def _give_back_what_waits(self, using: str) -> None:
        """Jobs that were claimed ahead, while those before them turned out slow."""
        if len(self.pool.held()) > self.pool.slots and time.monotonic() - self.fetched_at > LONGEST_QUEUEING:
            self.pace.forget()
            queue.release(using, self.pool.withdraw())

    def _give_sign_of_life(self, using: str) -> None:
        if time.monotonic() < self.beat_at:
            return
        if not roster.beat(using, self._id):
            signals.worker_declared_dead.send_robust(None, name=self.name)
            self.pool.withdraw()  # what no slot has begun is others' by now; what has been begun is reported as lost
            self.id = None
            self._sign_in(using)
        self.retry_in.reset()
        self.beat_at = time.monotonic() + options().HEARTBEAT
        self.clock.set(database_now(using))

    def _wind_down(self, using: str) -> float:
        """Stop claiming, give back what no slot has begun, and wait for the rest."""
        queue.release(using, self._begin_grace())
        return max(0.0, min(self.give_back_at, self.beat_at) - time.monotonic())

    def _begin_grace(self) -> list[ClaimedJob]:
        """Returns the jobs that no slot will begin any more."""
        if self.give_back_at < math.inf:
            return []
        self.give_back_at = time.monotonic() + options().GRACE
        withdrawn = self.pool.withdraw()
        running = len(self.pool.held())
        signals.worker_stopping.send_robust(None, name=self.name, running=running, grace=options().GRACE)
        return withdrawn

    def _is_over(self) -> bool:
        if not self.stops:
            return False
        holds = self.pool.held() or self.outbox.waiting
        return not holds or self.stops > 1 or time.monotonic() >= self.give_back_at

    def _leave(self, using: str, unknown: Sequence[ClaimedJob]) -> None:
        """Jobs of tasks that this process does not have are left to one that does: unknown is not failed."""
        queue.release(using, unknown)
        for task in {job.task for job in unknown}:
            self.unknown.add(task)
            signals.task_unknown.send_robust(None, task=task)

    # Without the database

    def _wait_for_database(self, error: Exception, stops: int) -> None:
        """Until it is time to try again; a stop that is not among `stops` makes it worth trying now."""
        delay = self.retry_in.next()
        signals.database_lost.send_robust(None, name=self.name, error=error, retry_in=delay)
        retry_at = min(time.monotonic() + delay, self.give_back_at)
        while self.stops == stops and (left := retry_at - time.monotonic()) > 0:
            self.news.wait(left)
            self.news.clear()

    def _is_over_without_database(self) -> bool:
        """A stop counts there too. What no slot has begun is given back by the next session, or rescued by others."""
        self._begin_grace()
        if not self._is_over():
            return False
        self.pool.close()
        signals.worker_stopped.send_robust(None, name=self.name, released=0, signed_off=False)
        return True

    # Beginning and end

    def _sign_in(self, using: str) -> None:
        """Begin, or go on after the database was lost."""
        self.deputy.begin_session()
        if not hasattr(self, "pool"):
            self.clock = ServerClock(database_now(using))
            self.pool: Pool = ThreadPool(
                self.threads, self.clock.now, self.wake, AtomicRuns(self.alias, self.name, self.clock.now)
            )
            signals.worker_started.send_robust(None, name=self.name, slots=self.threads, queues=self.queues)
        if self.id is None:
            self.id = roster.sign_in(using, self.name, self.threads, self.queues)
        else:
            queue.release_unheld(using, self.id, [*self.pool.held(), *(each.job for each in self.outbox.waiting)])
        self.beat_at = time.monotonic()

    def _sign_off(self, using: str) -> None:
        self._record(using)
        released = queue.release(using, self.pool.held())
        self.pool.close()
        roster.sign_off(using, self._id)
        signals.worker_stopped.send_robust(None, name=self.name, released=released, signed_off=True)

    @property
    def _id(self) -> int:
        assert self.id is not None, "a worker that has not signed in claims nothing"
        return self.id
