"""The runs of tasks that can be under way: an attempt of a job, or a call of `.now()`."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from worker.current import CurrentJob, under_way
from worker.tasks import Task
from worker.values import ClaimedJob


class Run(NamedTuple):
    """An attempt of a job."""

    job: ClaimedJob
    started_at: datetime
    worker: str
    """The name of the process."""

    def told(self) -> CurrentJob:
        return as_told(self.job)


class DirectCall(NamedTuple):
    """A task that runs at once where it is called, without a job."""

    task: Task

    def told(self) -> CurrentJob:
        return CurrentJob(None, self.task.name, 1, 1, self.task.queue)


def run() -> Run | None:
    """The attempt that is under way here. None: there is none, or its task has called another one."""
    here = under_way.get()
    return here if isinstance(here, Run) else None


def as_told(job: ClaimedJob) -> CurrentJob:
    """The job as its task knows it."""
    return CurrentJob(
        job.id, job.task, job.attempts + 1, job.max_attempts, job.queue, job.enqueued_at, job.scheduled_for
    )
