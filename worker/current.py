"""Which job runs here: in the thread of a slot, and in whatever that hands its context to. For the task itself."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CurrentJob:
    """What a task can know of the job that runs it."""

    __module__ = "worker"

    id: int | None
    """None: `.now()` runs the task, without a job."""
    task: str
    attempt: int
    """From 1."""
    max_attempts: int
    queue: str
    enqueued_at: datetime | None = None
    scheduled_for: datetime | None = None
    """The instant of its schedule for which it runs."""


class UnderWay(Protocol):
    """A run of a task. What it tells is put together only when somebody asks."""

    def told(self) -> CurrentJob: ...


under_way: ContextVar[UnderWay | None] = ContextVar("carillon_run", default=None)


def current_job() -> CurrentJob | None:
    """The job that runs here. None: no task of ours runs here."""
    run = under_way.get()
    return None if run is None else run.told()
