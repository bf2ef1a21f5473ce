"""The thread pool: slots, where jobs run. The worker hands jobs in and collects how they ended; it never waits here.

All methods are called by the worker's own thread, except the callback `on_ended`, which slots call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Protocol

from worker import signals
from worker.clock import Clock
from worker.patience import Patience
from worker.reports import Reports
from worker.running import execution
from worker.running.atomic_run import AtomicRuns
from worker.running.enquiries import Enquiries
from worker.running.gathered import Gathered
from worker.running.slot import Slot
from worker.running.slot_connections import BREAK, NoSession
from worker.running.surroundings import Surroundings
from worker.values import ClaimedJob, Ended

LONGEST_PAUSE = 2.0
"""Seconds between two tries of a slot for which there is no session with the database."""


class SlotDied(Exception):
    """The thread of a slot has ended while it ran a job, so what came of the job is not known."""


class Pool(Protocol):
    slots: int

    def submit(self, jobs: Sequence[ClaimedJob]) -> None: ...

    def ended(self) -> list[Ended]:
        """Jobs that are over since the last call."""

    def withdraw(self) -> list[ClaimedJob]:
        """Take back the jobs that no slot has begun."""

    def held(self) -> list[ClaimedJob]:
        """Jobs that were handed in and not yet collected or taken back."""

    def mend(self) -> int:
        """Put a new thread in the place of each that has died. Returns how many live."""

    def close(self) -> None:
        """Let the slots end when they are free. Jobs that run go on."""


class ThreadPool:
    """Slots that are threads. What waits lies in a deque, from which a slot takes job after job until it is empty.

    Only a slot that found it empty has to be called, through a `SimpleQueue`: that costs a few microseconds, for which
    a small job would have been done.
    """

    def __init__(
        self, slots: int, clock: Clock, on_ended: Callable[[], None], atomic_runs: AtomicRuns, reports: Reports
    ) -> None:
        self.slots = slots
        self._clock = clock
        self._on_ended = on_ended
        self._atomic_runs = atomic_runs
        self._reports = reports
        self._enquiries = Enquiries(atomic_runs.using)
        self._waiting: deque[ClaimedJob] = deque()
        self._calls: SimpleQueue[None] = SimpleQueue()
        self._closed = Event()
        self._surroundings = Surroundings()
        self._gathered = Gathered()
        self._low_water = 0
        self._held: dict[tuple[int, int], ClaimedJob] = {}
        self._running: list[ClaimedJob | None] = [None] * slots
        self._threads: list[Thread] = []
        for number in range(slots):
            self._threads.append(self._new_thread(number))
            self._threads[number].start()

    def submit(self, jobs: Sequence[ClaimedJob]) -> None:
        self._held.update((job.hold, job) for job in jobs)
        self._low_water = (len(self._waiting) + len(jobs)) // 2  # time to record and fetch, before the slots run dry
        self._waiting.extend(jobs)
        self._call(len(jobs))

    def ended(self) -> list[Ended]:
        ended = self._gathered.collect()
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

    def mend(self) -> int:
        dead = [number for number, thread in enumerate(self._threads) if not thread.is_alive()]
        for number in dead:
            self._collect_from_dead(number)
            with suppress(RuntimeError):  # there are too many threads: again, the next time
                self._threads[number] = self._new_thread(number)
                self._threads[number].start()
                self._call(1)
        return sum(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        self._closed.set()
        self._gathered.close()
        self._surroundings.leave_alone()
        self._enquiries.close()
        self._call(self.slots)

    def _collect_from_dead(self, number: int) -> None:
        """What its job did, nobody knows. So that was a failed attempt: another may go better, and not for ever."""
        job, self._running[number] = self._running[number], None
        if job and job.hold in self._held and not self._gathered.has(job):
            now = self._clock.now()
            outcome = execution.after_fault(job, SlotDied("The thread that ran the job has ended."), now)
            self._gathered.add(Ended(job, outcome, now, now))

    def _call(self, slots: int) -> None:
        """See to it that so many slots look for jobs. One that was called for nothing waits for the next call."""
        for _ in range(min(slots, self.slots - self._calls.qsize())):
            self._calls.put(None)

    # In the threads of the slots

    def _new_thread(self, number: int) -> Thread:
        return Thread(target=self._work, args=[number], name=f"carillon-slot-{number}", daemon=True)

    def _work(self, number: int) -> None:
        slot = Slot(self._clock, self._atomic_runs, self._reports, self._enquiries)
        patience = Patience(LONGEST_PAUSE)
        try:
            while not self._closed.is_set():
                self._wait_for_call(slot)
                with self._surroundings:
                    self._run_what_waits(slot, number, patience)
        finally:
            slot.connections.close()

    def _run_what_waits(self, slot: Slot, number: int, patience: Patience) -> None:
        was_put_off = False
        while not self._closed.is_set() and (job := self._next()):
            self._running[number] = job
            try:
                self._gathered.add(slot.run(job))
            except NoSession as error:
                was_put_off = True
                slot.after_job()
                self._put_off(job, number, error, patience.next())
                continue
            self._running[number] = None
            if len(self._waiting) <= self._low_water:
                self._low_water = 0
                self._on_ended()
            elif self._gathered.characters and self._gathered.is_to_be_collected:
                self._on_ended()
            slot.after_job()
            self._surroundings.after_job(job)
            if self._gathered.characters:
                self._gathered.wait_for_room()
            if was_put_off:
                was_put_off = False
                patience.reset()

    def _put_off(self, job: ClaimedJob, number: int, error: NoSession, pause: float) -> None:
        """It is the next to begin, in this slot after a pause or in another at once; or it is withdrawn."""
        self._running[number] = None
        self._waiting.appendleft(job)
        self._call(1)
        self._on_ended()
        signals.job_put_off.send_robust(None, job=job, error=error.__cause__, retry_in=pause)
        self._closed.wait(pause)

    def _wait_for_call(self, slot: Slot) -> None:
        if slot.connections.in_use:
            with suppress(Empty):
                return self._calls.get(timeout=BREAK)
            slot.connections.close_spent()
        return self._calls.get()

    def _next(self) -> ClaimedJob | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None
