"""Which job runs here: in the thread of a slot, and in whatever that hands its context to."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime
from typing import NamedTuple

from worker.values import ClaimedJob


class Run(NamedTuple):
    """An attempt that is under way."""

    job: ClaimedJob
    started_at: datetime
    worker: str
    """The name of the process."""


current: ContextVar[Run | None] = ContextVar("carillon_run", default=None)
