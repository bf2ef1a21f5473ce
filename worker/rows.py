"""The values that cross between the queue and its callers: a job to add, a job that is held, how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from worker.models import FinishedState, JobState


class NewJob(NamedTuple):
    """A job to enqueue. It starts at `run_at`, or `delay` seconds from now. All but `delay` are columns."""

    task: str
    arguments: str
    queue: str
    priority: int
    max_attempts: int
    state: str = JobState.READY
    verbose_name: str = ""
    creator: str = ""
    schedule_id: int | None = None
    scheduled_for: datetime | None = None
    start_by: datetime | None = None
    retry_before: datetime | None = None
    retry_of: int | None = None
    run_at: datetime | None = None
    delay: float = 0.0


class ClaimedJob(NamedTuple):
    """A job that this process holds, under the fence `claim`."""

    id: int
    claim: int
    task: str
    arguments: str
    attempts: int
    max_attempts: int
    errors: str
    run_at: datetime
    start_by: datetime | None
    retry_before: datetime | None
    schedule_id: int | None
    interruptions: int
    priority: int

    @property
    def hold(self) -> tuple[int, int]:
        """This hold of the job, and no other."""
        return self.id, self.claim


class Finish(NamedTuple):
    """How a job ended, to be written under its fence."""

    job: ClaimedJob
    state: FinishedState
    attempts: int
    errors: str
    reason: str
    started_at: datetime | None
    finished_at: datetime


class PutBack(NamedTuple):
    """A job that runs again after `delay` seconds, to be written under its fence."""

    job: ClaimedJob
    delay: float
    attempts: int
    errors: str
