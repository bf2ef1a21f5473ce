"""Low-water marks: where a claim begins to look, beyond the jobs that are gone.

A claimed job is no longer among the ready ones, yet PostgreSQL keeps its place in their index for as long as any
transaction may still see it, and a claim walks past all such places before it finds work. So at each priority a claim
begins where the one before it ended. What became ready behind these marks (a retry, a delayed job, what a slow
transaction enqueued) is found by claims that look everywhere. They take a tenth of the time at most: where they are
cheap nothing waits for them, and where they are not, a job behind a mark waits up to ten times as long as one takes,
and five seconds at the most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from worker.clock import Monotonic
from worker.values import ClaimedJob

SHARE = 0.1
"""Of the time, for claims that look everywhere."""
MARGIN = 1000
"""Ids before a mark that are looked at all the same: others that enqueue commit a little later."""
LONGEST = 5.0
"""Seconds that nothing is looked at everywhere, whatever that cost: it may have been the server that stood still."""
MOST = 8
"""Marks that are kept. Each costs a claim one more descent into the index."""

Claim = Callable[[Mapping[int, int]], list[ClaimedJob]]
"""Given by priority the id to begin at, takes jobs, the most urgent first."""


class Marks:
    """By priority, the id before which nothing ready was left, as far as this worker saw.

    Not `needed`: each claim looks everywhere. `in_one`: one mark for all priorities; a claim that comes back full may
    have left less urgent jobs before it, so the next one looks everywhere.
    """

    def __init__(self, clock: Monotonic, *, needed: bool, in_one: bool = False) -> None:
        self._clock = clock
        self._needed = needed
        self._in_one = in_one
        self._ids: dict[int, int] = {}
        self._everywhere_at = -math.inf
        self._passed_over = False

    def follow(self, claim: Claim, limit: int) -> list[ClaimedJob]:
        """Claim up to `limit` jobs, and remember how far that came."""
        began = self._clock.monotonic()
        everywhere = began >= self._everywhere_at
        jobs = claim({} if everywhere else self._ids)
        if everywhere and self._needed:
            ended = self._clock.monotonic()
            self._everywhere_at = ended + min(LONGEST, (ended - began) / SHARE)
            self._forget_below(jobs, limit)
        self._passed_over = not everywhere
        self._move(jobs)
        if self._in_one and len(jobs) == limit:
            self.look_everywhere()
        return jobs

    def look_everywhere(self) -> None:
        """The next time: what was claimed has been given back, and lies behind the marks."""
        self._everywhere_at = -math.inf

    @property
    def rest_due_at(self) -> float:
        """When to look for what the last claim passed over, by the monotonic clock; infinite: it looked everywhere."""
        return self._everywhere_at if self._passed_over else math.inf

    def _forget_below(self, jobs: list[ClaimedJob], limit: int) -> None:
        """More may be ready than was taken: from the last one taken on, behind the marks too."""
        if len(jobs) == limit:
            self._ids = {priority: id for priority, id in self._ids.items() if priority > jobs[-1].priority}

    def _move(self, jobs: list[ClaimedJob]) -> None:
        lasts = {job.priority: job.id for job in jobs}
        if self._in_one and lasts:
            lasts = {0: max(lasts.values())}
        for priority, last in lasts.items():
            # Those used last stand last.
            self._ids[priority] = max(self._ids.pop(priority, 0), last - MARGIN)
        for priority in list(self._ids)[:-MOST]:
            del self._ids[priority]
