"""What a queue is, in plain Python: the smallest thing that keeps every promise.

Decides which jobs there are, in which state and under which claim. It knows no table and shares no code with the
product; `queue_machine.py` drives both and compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

MOST_INTERRUPTIONS = 3
FINISHES = {"succeeded": 1, "failed": 1, "cancelled": 1, "missed": 0}
"""The outcomes that end a job, and how many attempts each adds."""


@dataclass
class ModelJob:
    """A job that is not finished."""

    id: int
    state: str
    run_at: datetime
    task: str = "report"
    queue: str = "default"
    priority: int = 0
    schedule: int | None = None
    is_left_behind: bool = False
    """By its schedule, which has another task or queue now."""
    scheduled_for: datetime | None = None
    start_by: datetime | None = None
    retry_before: datetime | None = None
    attempts: int = 0
    interruptions: int = 0
    claim: int | None = None
    worker: int | None = None
    cancel_reason: str | None = None
    """Why it was asked to stop."""
    unkept: Collection[str] = ()
    """The outcomes of which its task wants no record."""
    repeats: bool = False
    """A finished job, by hand."""

    @property
    def lane(self) -> str | None:
        """In which it waits for its turn."""
        if self.schedule is None:
            return None
        return f"left behind:{self.schedule}" if self.is_left_behind else f"schedule:{self.schedule}"

    def let_go(self, state: str) -> None:
        self.state, self.claim, self.worker = state, None, None


class ModelQueue:
    """Live jobs, and how the others ended."""

    def __init__(self) -> None:
        self.live: dict[int, ModelJob] = {}
        self.history: dict[int, str] = {}
        self.retried: set[int] = set()
        """Those that were enqueued again by hand."""

    def add(self, job: ModelJob) -> None:
        assert job.id not in self.live | self.history, f"the id {job.id} was given twice"
        self.live[job.id] = job

    def claimable(
        self, limit: int, queues: Collection[str], unknown: Collection[str], with_suspects: bool
    ) -> list[int]:
        ready = [
            job
            for job in self.live.values()
            if job.state == "ready"
            and (not queues or job.queue in queues)
            and job.task not in unknown
            and (with_suspects or job.interruptions < MOST_INTERRUPTIONS - 1)
        ]
        return [job.id for job in sorted(ready, key=lambda job: (-job.priority, job.id))][:limit]

    def is_held(self, id: int, claim: int) -> bool:
        return id in self.live and self.live[id].claim == claim

    def end(self, id: int, state: str) -> None:
        job = self.live.pop(id)
        if job.repeats or state not in job.unkept:
            self.history[id] = state

    def cancel(self, ids: Iterable[int], reason: str) -> tuple[list[int], list[int]]:
        """Which were cancelled, and which were asked to stop."""
        unstarted = self.unstarted(ids)
        for id in unstarted:
            self.end(id, "cancelled")
        running = sorted(id for id in set(ids) if id in self.live)
        for id in running:
            if self.live[id].cancel_reason is None:
                self.live[id].cancel_reason = reason
        return unstarted, running

    def run_again(self, id: int, state: str) -> bool:
        """It is put back, unless it was asked to stop: then it is cancelled. Whether it was put back."""
        job = self.live[id]
        if job.cancel_reason is not None:
            self.end(id, "cancelled")
            return False
        job.let_go(state)
        return True

    def unstarted(self, ids: Iterable[int]) -> list[int]:
        return sorted(id for id in set(ids) if id in self.live and self.live[id].state != "running")

    def rescue(self, dead: Collection[int]) -> int:
        rescued = [job for job in self.live.values() if job.worker in dead]
        for job in rescued:
            job.interruptions += 1
            if self.run_again(job.id, "ready") and job.interruptions >= MOST_INTERRUPTIONS:
                self.end(job.id, "failed")
        return len(rescued)

    def promote(self, now: datetime) -> None:
        due = [job for job in self.live.values() if job.run_at <= now]
        for job in due:
            if job.state == "scheduled" or (job.state == "waiting" and self._is_first(job)):
                job.state = "ready"

    def let_in(self, lanes: Collection[str | None], now: datetime) -> None:
        """Who records an end asks who is next in that lane."""
        for job in self.live.values():
            is_next = job.state == "waiting" and job.run_at <= now and self._is_first(job)
            if is_next and job.lane in lanes:
                job.state = "ready"

    def _is_first(self, job: ModelJob) -> bool:
        return job.id == min(id for id in self.of(job.schedule) if self.live[id].lane == job.lane)

    def hold(self, schedule: int) -> None:
        self._turn(schedule, "waiting", "held")

    def let_go(self, schedule: int) -> None:
        self._turn(schedule, "held", "waiting")

    def _turn(self, schedule: int, before: str, after: str) -> None:
        for id in self.of(schedule):
            if self.live[id].state == before:
                self.live[id].state = after

    def of(self, schedule: int | None) -> list[int]:
        return [job.id for job in self.live.values() if job.schedule == schedule]

    def standing(self, schedule: int, counts: Callable[[ModelJob], bool]) -> tuple[bool, bool]:
        """Whether a run of it is unfinished, and whether one waits behind it. What was rescued does not count."""
        states = [job.state for job in self._in_lane(schedule) if counts(job) and not job.interruptions]
        return bool(states), "waiting" in states

    def leave_behind(self, schedule: int, counts: Callable[[ModelJob], bool]) -> None:
        """Whoever waits in its lane does not wait for what does not count."""
        for job in self._in_lane(schedule):
            job.is_left_behind = not counts(job)

    def _in_lane(self, schedule: int) -> list[ModelJob]:
        return [job for job in self.live.values() if job.schedule == schedule and not job.is_left_behind]
