"""The loop of a worker: claim → pool → ack, signs of life, a clean end. One thread and one session for all slots.

It sleeps until a slot has ended a job, work was announced, or it is time to look. If the database is lost, it keeps
its jobs and outcomes: outcomes wait until they can be recorded in the next session.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from datetime import datetime

from worker import queue, signals
from worker.clock import ServerClock, database_now
from worker.options import options
from worker.patience import Patience
from worker.process.deputy import Deputy
from worker.process.ending import Ending
from worker.process.intake import Intake
from worker.process.pulse import Pulse
from worker.process.standing import Standing
from worker.process.unrecorded import Unrecorded
from worker.reports import Reports
from worker.running.pool import Pool
from worker.values import ClaimedJob
from worker.wakeup.awaited import awaited

GATHERING = 0.15
"""Seconds for which outcomes are gathered, at the most, while more work is in hand than the slots run.

They are recorded together. A slot that finds half of what waited gone says so at once, and at a steady pace that is
sooner: this is longer than half of `LOOKAHEAD`, or most portions would be recorded in two.
"""
GATHERING_IF_AWAITED = 0.005
"""The same while somebody waits for the end of any of it, or may: it is in a lane."""


@dataclass(kw_only=True)
class Loop:
    """What is there from the first answer of the database to the end of the worker, over all its sessions."""

    clock: ServerClock
    pool: Pool
    standing: Standing
    pulse: Pulse
    intake: Intake
    reports: Reports
    unrecorded: Unrecorded
    deputy: Deputy
    ending: Ending
    news: threading.Event
    """Set when there may be something to do."""
    patience: Patience
    """With a queue that is empty."""

    def work(self, using: str) -> None:
        """In one session, until it is over. Raises what the database raises when it is lost."""
        with self.pulse:
            self._begin_session(using)
            self._take_turns(using)
            self._sign_off(using)

    def is_over_without_database(self) -> bool:
        """It is told to stop. What no slot has begun is given back by the next session, or rescued by others."""
        self._begin_grace()
        if not self._is_over():
            return False
        self.pool.close()
        self.unrecorded.add(self.pool.ended())
        self.unrecorded.tell_left()
        signals.worker_stopped.send_robust(None, name=self.standing.name, released=0, signed_off=False)
        return True

    def _begin_session(self, using: str) -> None:
        self.deputy.begin_session()
        if not self.standing.take(using, self._jobs()):
            self._begin_anew(using)

    def _begin_anew(self, using: str) -> None:
        """It was taken for dead."""
        signals.worker_declared_dead.send_robust(None, name=self.standing.name)
        self.pool.withdraw()  # what no slot has begun is others' by now; what has been begun is reported as lost
        self._begin_session(using)

    def _take_turns(self, using: str) -> None:
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
        if self.ending.stops:
            return self._wind_down(using)
        claimed = self._claim(using) if self.deputy.is_about_to_act(self.clock.now()) else 0
        due = self.deputy.do(using, self.clock.now())
        claimed += self._claim(using)
        self.intake.give_back_what_waits(using)
        if ended or claimed:
            self.patience.reset()
        elif self.ending.when_idle and not self.pool.held() and self._nothing_is_left(using, due):
            self.ending.stop()
        return self._sleep(due)

    # What a turn is made of

    def _record(self, using: str, *, at_once: bool = False) -> int:
        """Record what came of jobs. What cannot be recorded now is kept for a later turn."""
        held = len(self.pool.held())
        self.unrecorded.add(self.pool.ended())
        if self.reports.are_there:
            is_beside = self.clock.monotonic() >= self.standing.beat_at
            ended = self.unrecorded.waiting
            self.reports.write(using, self._jobs(), ended, at_once=at_once, is_beside=is_beside)
        recorded = self.unrecorded.record(using, at_once=at_once)
        self.intake.pace.count(recorded, held)
        return recorded

    def _give_sign_of_life(self, using: str) -> None:
        if self.clock.monotonic() < self.standing.beat_at:
            return
        told = {**self.unrecorded.told, "chores_refused": self.deputy.chores_refused}
        if not self.standing.keep(using, slots_alive=self.pool.mend(), **told):
            self._begin_anew(using)
        self.clock.set(database_now(using))

    def _claim(self, using: str) -> int:
        """Returns how many jobs that were. None, while more outcomes are refused than should wait here."""
        return 0 if self.unrecorded.is_full else self.intake.fetch(using, self.standing.id)

    def _nothing_is_left(self, using: str, due: datetime | None) -> bool:
        nothing_is_due = (due is None or due > self.clock.now()) and not self.deputy.has_more_to_do
        return nothing_is_due and self.intake.marks.rest_due_at == math.inf and not self.deputy.is_undecided(using)

    def _sleep(self, due: datetime | None) -> float:
        until_due = math.inf if due is None else (due - self.clock.now()).total_seconds()
        pause = self._gathering() if len(self.pool.held()) > self.pool.slots else self.patience.next()
        rest_due_at = math.inf if self.unrecorded.is_full else self.intake.rest_due_at
        look_at = min(
            self.standing.beat_at, self.deputy.wanted_at, rest_due_at, self.unrecorded.try_at, self.reports.due_at
        )
        return max(0.0, min(pause, until_due, look_at - self.clock.monotonic()))

    def _jobs(self) -> list[ClaimedJob]:
        """All that it has to answer for."""
        return [*self.pool.held(), *self.unrecorded.jobs]

    def _gathering(self) -> float:
        held = self.pool.held()
        somebody_waits = any(job.lane for job in held) or awaited.has_any(job.id for job in held)
        return GATHERING_IF_AWAITED if somebody_waits else GATHERING

    # The end

    def _wind_down(self, using: str) -> float:
        """Stop claiming, give back what no slot has begun, and wait for the rest."""
        queue.release(using, self._begin_grace())
        look_at = min(self.ending.give_back_at, self.standing.beat_at, self.unrecorded.try_at, self.reports.due_at)
        return max(0.0, look_at - self.clock.monotonic())

    def _begin_grace(self) -> list[ClaimedJob]:
        """Returns the jobs that no slot will begin any more, also those that one has put off since the last time."""
        grace, withdrawn = options().GRACE, self.pool.withdraw()
        if self.ending.begin_grace(self.clock.monotonic(), grace):
            running = len(self.pool.held())
            signals.worker_stopping.send_robust(None, name=self.standing.name, running=running, grace=grace)
        return withdrawn

    def _is_over(self) -> bool:
        return self.ending.is_over(self.clock.monotonic(), holds=bool(self.pool.held() or self.unrecorded.jobs))

    def _sign_off(self, using: str) -> None:
        self._record(using, at_once=True)
        self.unrecorded.tell_left()
        released = queue.release(using, self._jobs())
        self.pool.close()
        self.standing.leave(using)
        signals.worker_stopped.send_robust(None, name=self.standing.name, released=released, signed_off=True)
