"""The thread pool: slots, where jobs run. The worker hands jobs in and collects how they ended; it never waits here.

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

from worker import signals, tasks
from worker.clock import Clock
from worker.outcomes import Error, Failed
from worker.running import execution
from worker.running.atomic_run import AtomicRuns
from worker.running.slot_connections import BREAK, SlotConnections
from worker.values import ClaimedJob, Ended


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
    """Slots that are threads. What waits lies in a deque, from which a slot takes job after job until it is empty.

    Only a slot that found it empty has to be called, through a `SimpleQueue`: that costs a few microseconds, for which
    a small job would have been done.
    """

    def __init__(self, slots: int, clock: Clock, on_ended: Callable[[], None], atomic_runs: AtomicRuns) -> None:
        self.slots = slots
        self._clock = clock
        self._now = clock.now
        self._on_ended = on_ended
        self._atomic_runs = atomic_runs
        self._waiting: deque[ClaimedJob] = deque()
        self._calls: SimpleQueue[None] = SimpleQueue()
        self._closed = False
        self._uncollected: deque[Ended] = deque()
        self._low_water = 0
        self._held: dict[tuple[int, int], ClaimedJob] = {}
        for number in range(slots):
            Thread(target=self._slot, name=f"carillon-slot-{number}", daemon=True).start()

    def submit(self, jobs: Sequence[ClaimedJob]) -> None:
        self._held.update((job.hold, job) for job in jobs)
        self._low_water = (len(self._waiting) + len(jobs)) // 2  # time to record and fetch, before the slots run dry
        self._waiting.extend(jobs)
        self._call(len(jobs))

    def ended(self) -> list[Ended]:
        ended = [self._uncollected.popleft() for _ in range(len(self._uncollected))]
        for each in ended:
            del self._held[each.job.hold]
        return ended

    def withdraw(self) -> list[ClaimedJob]:
        withdrawn = list(iter(self._next, None))
        for job in withdrawn:
            del self._held[job.hold]
        return withdrawn

    def held(self) -> list[ClaimedJob]:
        return list(self._held.values())

    def close(self) -> None:
        self._closed = True
        self._call(self.slots)

    def _call(self, slots: int) -> None:
        """See to it that so many slots look for jobs. One that was called for nothing waits for the next call."""
        for _ in range(min(slots, self.slots - self._calls.qsize())):
            self._calls.put(None)

    def _slot(self) -> None:
        own = SlotConnections(self._clock)
        try:
            while not self._closed:
                self._wait_for_call(own)
                while job := self._next():
                    started_at = self._now()
                    signals.tell_started(job, started_at)
                    self._uncollected.append(self._run(job, started_at))
                    if len(self._waiting) <= self._low_water:
                        self._low_water = 0
                        self._on_ended()
                    own.after_job()
        finally:
            own.close()

    def _wait_for_call(self, own: SlotConnections) -> None:
        if own.in_use:
            with suppress(Empty):
                return self._calls.get(timeout=BREAK)
            own.close_spent()
        return self._calls.get()

    def _next(self) -> ClaimedJob | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _run(self, job: ClaimedJob, started_at: datetime) -> Ended:
        try:
            if tasks.get(job.task).atomic:
                return self._atomic_runs.run(job, started_at)
            return Ended(job, execution.run(job, self._now), started_at, self._now())
        except BaseException as error:  # noqa: BLE001  a fault of ours, or an error that cannot be printed: an outcome too
            now = self._now()
            fault = Error(job.attempts + 1, type(error).__qualname__, "The job ended without an outcome.", "", now)
            return Ended(job, Failed(fault), started_at, now)
