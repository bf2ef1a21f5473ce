"""What a queue and its schedules are, in plain Python: the smallest thing that keeps every promise.

Decides which jobs there are, in which state and under which claim, and what the ledger says of each instant. It
knows no table and shares no code with the product; `test_model.py` drives both and compares them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MOST_INTERRUPTIONS = 3
MOST_CATCH_UP = 2
LATE_AFTER = 60
HAS_JOB = ("enqueued", "backfilled")
FINISHES = {"succeeded": 1, "failed": 1, "cancelled": 1, "missed": 0}
"""The outcomes that end a job, and how many attempts each adds."""


@dataclass
class ModelJob:
    """A job that is not finished."""

    id: int
    state: str
    run_at: datetime
    queue: str = "default"
    priority: int = 0
    schedule: int | None = None
    scheduled_for: datetime | None = None
    attempts: int = 0
    interruptions: int = 0
    claim: int | None = None
    worker: int | None = None

    def let_go(self, state: str) -> None:
        self.state, self.claim, self.worker = state, None, None


class ModelQueue:
    """Live jobs, and how the others ended."""

    def __init__(self) -> None:
        self.live: dict[int, ModelJob] = {}
        self.history: dict[int, str] = {}

    def add(self, job: ModelJob) -> None:
        assert job.id not in self.live | self.history, f"the id {job.id} was given twice"
        self.live[job.id] = job

    def claimable(self, limit: int, queues: Collection[str]) -> list[int]:
        ready = [job for job in self.live.values() if job.state == "ready" and (not queues or job.queue in queues)]
        return [job.id for job in sorted(ready, key=lambda job: (-job.priority, job.id))][:limit]

    def is_held(self, id: int, claim: int) -> bool:
        return id in self.live and self.live[id].claim == claim

    def end(self, id: int, state: str) -> None:
        del self.live[id]
        self.history[id] = state

    def unstarted(self, ids: Iterable[int]) -> list[int]:
        return sorted(id for id in set(ids) if id in self.live and self.live[id].state != "running")

    def rescue(self, dead: Collection[int]) -> int:
        rescued = [job for job in self.live.values() if job.worker in dead]
        for job in rescued:
            job.let_go("ready")
            job.interruptions += 1
            if job.interruptions >= MOST_INTERRUPTIONS:
                self.end(job.id, "failed")
        return len(rescued)

    def promote(self, now: datetime) -> None:
        due = [job for job in self.live.values() if job.run_at <= now]
        for job in due:
            if job.state == "scheduled" or (job.state == "waiting" and self._is_first(job)):
                job.state = "ready"

    def _is_first(self, job: ModelJob) -> bool:
        return job.id == min(self.of(job.schedule))

    def of(self, schedule: int | None) -> list[int]:
        return [job.id for job in self.live.values() if job.schedule == schedule]

    def standing(self, schedule: int) -> tuple[bool, bool]:
        """Whether a run of it is unfinished, and whether one waits behind it. What was rescued does not count."""
        states = [job.state for job in self.live.values() if job.schedule == schedule and not job.interruptions]
        return bool(states), "waiting" in states


@dataclass
class ModelSchedule:
    """A schedule, and what became of each of its instants."""

    pk: int
    period: int
    catch_up: str
    overlap: str
    anchor: datetime
    paused: bool = False
    paused_until: datetime | None = None
    ledger: dict[datetime, str] = field(default_factory=dict)

    def instants(self, now: datetime) -> Iterator[datetime]:
        at = self.anchor + timedelta(seconds=self.period)
        while at <= now:
            yield at
            at += timedelta(seconds=self.period)

    def overdue(self, now: datetime) -> list[datetime]:
        return [at for at in self.instants(now) if at not in self.ledger]

    def settle(self, now: datetime, busy: bool, waiting: bool) -> list[tuple[datetime, bool]]:
        """Decide on all that is overdue. Gives the instants that run, and whether each waits."""
        if self.paused or not (overdue := self.overdue(now)):
            return []
        chosen = self._chosen(overdue, now)
        self.ledger |= dict.fromkeys(overdue, "coalesced" if self.catch_up in {"latest", "earliest"} else "missed")
        runs = []
        for at in chosen:
            waits = busy and self.overlap != "allow"
            if waits and (self.overlap == "skip" or (self.overlap == "queue_one" and waiting)):
                self.ledger[at] = "skipped_overlap"
                continue
            self.ledger[at] = "enqueued"
            runs.append((at, waits))
            busy, waiting = True, waiting or waits
        return runs

    def _chosen(self, overdue: list[datetime], now: datetime) -> list[datetime]:
        match self.catch_up:
            case "all":
                return overdue[-MOST_CATCH_UP:]
            case "earliest":
                return overdue[:1]
            case "none" if now - overdue[-1] > timedelta(seconds=LATE_AFTER):
                return []
        return overdue[-1:]

    def settle_paused(self, now: datetime) -> None:
        if self.paused:
            self.ledger |= dict.fromkeys(self.overdue(now), "paused")

    def end_pause(self) -> None:
        self.paused, self.paused_until = False, None

    def backfill(self, start: datetime, end: datetime, from_anchor: bool) -> list[datetime]:
        """The instants that run now: those of the present recurrence that were decided on, and have no job."""
        instants = [*([self.anchor] if from_anchor else []), *self.instants(end)]
        decided = [at for at in instants if start <= at <= end and at in self.ledger]
        missing = [at for at in decided if self.ledger[at] not in HAS_JOB]
        self.ledger |= dict.fromkeys(missing, "backfilled")
        return missing
