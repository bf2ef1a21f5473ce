"""The prefetch of a worker: it claims jobs ahead of its slots, and gives back those that would wait too long.

`pace` decides how many jobs to hold, and `marks` where to look for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from worker import queue, signals, tasks
from worker.clock import Monotonic
from worker.known import is_known
from worker.options import options
from worker.process.freight import Freight
from worker.process.marks import Marks
from worker.process.pace import Pace
from worker.running.pool import Pool
from worker.values import ClaimedJob, Ended

LONGEST_QUEUEING = 1.0
"""Seconds that claimed jobs may wait here for a slot; then they are given back for other workers."""


class Intake:
    """From these queues (none: all) into this pool, but for jobs that have ended (`queue.notes`): those are `over`."""

    def __init__(
        self,
        queues: Sequence[str],
        pool: Pool,
        clock: Monotonic,
        *,
        marks: Marks,
        over: Callable[[Sequence[Ended]], None],
    ) -> None:
        self.queues = queues
        self.pool = pool
        self.marks = marks
        self.over = over
        self.pace = Pace(clock)
        self.freight = Freight(pool)
        self.unknown: set[str] = set()
        """Tasks that this process does not have, as far as it has met them."""
        self._clock = clock
        self._claimed_at = clock.monotonic()

    def fetch(self, using: str, worker_id: int) -> int:
        """Claim as many jobs as there is room for, half of the most at once. Returns how many that were."""
        fetched = 0
        while (room := self._room()) > 0:
            limit = min(room, max(1, options().BATCH_SIZE // 2))
            claimed = self._claim(using, worker_id, limit)
            fetched += claimed
            if claimed < limit:
                break
        return fetched

    def give_back_what_waits(self, using: str) -> None:
        """Jobs that were claimed ahead, while those before them turned out slow."""
        if len(self.pool.held()) > self.pool.slots and self._clock.monotonic() - self._claimed_at > LONGEST_QUEUEING:
            self.pace.forget()
            queue.release(using, self.pool.withdraw())

    @property
    def rest_due_at(self) -> float:
        """When to look for what the last claim passed over; infinite while there is no room for it."""
        return self.marks.rest_due_at if self._room() > 0 else math.inf

    def _room(self) -> int:
        held = self.pool.held()
        return min(self.pace.room(len(held), self.pool.slots, options().BATCH_SIZE), self.freight.room(held))

    def _claim(self, using: str, worker_id: int, limit: int) -> int:
        """Returns how many jobs it took that are not given back for now."""
        holds_suspect = any(map(queue.is_suspect, self.pool.held()))
        claim = partial(
            queue.claim,
            *(using, worker_id, limit, self.queues, self.unknown),
            with_suspects=not holds_suspect,
            longest=self.freight.longest,
        )
        claimed = self.marks.follow(lambda beyond: claim(beyond=beyond), limit)
        known = [job for job in claimed if is_known(job)]
        too_many = list(filter(queue.is_suspect, known))[1:]
        jobs, too_heavy = self.freight.load(using, [job for job in known if job not in too_many])
        queue.release(using, [*too_many, *too_heavy])  # before the one begins, which may end this process at once
        self.pool.submit(self._without_over(jobs))
        self._claimed_at = self._clock.monotonic()
        self._leave(using, [job for job in claimed if not tasks.is_registered(job.task)])
        if too_heavy:
            self.pace.forget()
            self.marks.look_everywhere()
        return len(claimed) - len(too_heavy)

    def _without_over(self, jobs: list[ClaimedJob]) -> list[ClaimedJob]:
        over = {job.hold: ended for job in jobs if job.errors and (ended := queue.noted(job))}
        if not over:
            return jobs
        self.over([*over.values()])
        return [job for job in jobs if job.hold not in over]

    def _leave(self, using: str, unknown: Sequence[ClaimedJob]) -> None:
        """Jobs of tasks that this process does not have are left to one that does: unknown is not failed."""
        queue.release(using, unknown)
        for task in {job.task for job in unknown}:
            self.unknown.add(task)
            signals.task_unknown.send_robust(None, task=task)
