"""Slots: where jobs run. The worker hands jobs in and collects how they ended; it never waits here.

All methods are called by the worker's own thread, except the callback `on_ended`, which slots call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Protocol

from worker import execution, signals, tasks
from worker.atomic_run import AtomicRuns
from worker.outcomes import Error, Failed
from worker.queue import Ended
from worker.rows import ClaimedJob
from worker.slot_connections import BREAK, SlotConnections


class Pool(Protocol):
    slots: int

    def submit(self, jobs: Sequence[ClaimedJob]) -> None: ...

    def ended(self) -> list[Ended]:
        """Jobs that are over since the last call."""

    def withdraw(self) -> list[ClaimedJob]:
        """Take back the jobs that no slot has begun."""

    def held(self) -> list[ClaimedJob]:
        """Jobs that were handed in and not yet collected or taken back."""

    def close(self) -> None:
        """Let the slots end when they are free. Jobs that run go on."""


class ThreadPool:
    """Slots that are threads. A job reaches one through a `SimpleQueue`, which costs a few microseconds."""

    def __init__(
        self, slots: int, now: Callable[[], datetime], on_ended: Callable[[], None], atomic_runs: AtomicRuns
    ) -> None:
        self.slots = slots
        self._now = now
        self._on_ended = on_ended
        self._atomic_runs = atomic_runs
        self._inbox: SimpleQueue[ClaimedJob | None] = SimpleQueue()
        self._outbox: deque[Ended] = deque()
        self._low_water = 0
        self._held: dict[tuple[int, int], ClaimedJob] = {}
        for number in range(slots):
            Thread(target=self._slot, name=f"carillon-slot-{number}", daemon=True).start()

    def submit(self, jobs: Sequence[ClaimedJob]) -> None:
        self._low_water = (self._inbox.qsize() + len(jobs)) // 2  # time to record and fetch, before the slots run dry
        for job in jobs:
            self._held[job.hold] = job
            self._inbox.put(job)

    def ended(self) -> list[Ended]:
        ended = [self._outbox.popleft() for _ in range(len(self._outbox))]
        for each in ended:
            del self._held[each.job.hold]
        return ended

    def withdraw(self) -> list[ClaimedJob]:
        withdrawn: list[ClaimedJob] = []
        while True:
            try:
                job = self._inbox.get_nowait()
            except Empty:
                return withdrawn
            if job is not None:
                del self._held[job.hold]
                withdrawn.append(job)

    def held(self) -> list[ClaimedJob]:
        return list(self._held.values())

    def close(self) -> None:
        for _ in range(self.slots):
            self._inbox.put(None)

    def _slot(self) -> None:
        own = SlotConnections()
        try:
            while (job := self._next(own)) is not None:
                started_at = self._now()
                signals.tell_started(job, started_at)
                self._outbox.append(self._run(job, started_at))
                if self._inbox.qsize() in (0, self._low_water):
                    self._on_ended()
                own.after_job()
        finally:
            own.close()

    def _next(self, own: SlotConnections) -> ClaimedJob | None:
        if own.in_use:
            with suppress(Empty):
                return self._inbox.get(timeout=BREAK)
            own.give_up()
        return self._inbox.get()

    def _run(self, job: ClaimedJob, started_at: datetime) -> Ended:
        try:
            if tasks.get(job.task).atomic:
                return self._atomic_runs.run(job, started_at)
            return Ended(job, execution.run(job, self._now), started_at, self._now())
        except BaseException as error:  # noqa: BLE001  a fault of ours, or an error that cannot be printed: an outcome too
            now = self._now()
            fault = Error(job.attempts + 1, type(error).__qualname__, "The job ended without an outcome.", "", now)
            return Ended(job, Failed(fault), started_at, now)
