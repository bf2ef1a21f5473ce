"""Which job runs here: in the thread of a slot, and in whatever that hands its context to. For the task itself.

What its row says is told at once. What others know of it is asked when the task asks (`runs`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from worker.current.progress import Told, told

Span = tuple[datetime, datetime]
"""From one instant to another: without the first, with the last."""


class Answers(Protocol):
    """What a job does not know of itself."""

    def cancelled(self) -> bool: ...

    def covers(self) -> Span | None: ...

    def previous_success(self) -> datetime | None: ...


class _NoAnswers:
    """Of a run that has no job."""

    def cancelled(self) -> bool:
        return False

    def covers(self) -> Span | None:
        return None

    def previous_success(self) -> datetime | None:
        return None


NO_ANSWERS = _NoAnswers()


@dataclass(frozen=True, slots=True)
class CurrentJob:
    """What a task can know of the job that runs it. It may be asked in any thread, and in async code."""

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
    """The instant of its schedule for which it runs. None: no schedule made it."""
    deadline: datetime | None = None
    """From this instant on no further attempt starts: its schedule has its next run then. None: no such limit."""
    answers: Answers = field(default=NO_ANSWERS, repr=False, compare=False)
    """For the properties. Not for tasks."""
    tell: Callable[[Told], None] | None = field(default=None, repr=False, compare=False)
    """Whom `progress` tells. None: nobody asks how far it is."""

    @property
    def cancelled(self) -> bool:
        """Whether the task should stop: somebody has cancelled the job, or another worker has it by now.

        It looks at the database, at most about once a second; in between it costs nothing. While the database cannot
        be asked, it is what it was. The task may return, and has succeeded, or raise `Cancel`.
        """
        return self.answers.cancelled()

    @property
    def covers(self) -> Span | None:
        """The time for which this run of its schedule stands: from after the first instant, up to the second.

        It begins where the run before ended, so runs cover all time once, even if some were left out. Without a run
        before, it begins where the schedule began to count. It is asked of the ledger once in an attempt. None: no
        schedule made the job, or somebody ran it by hand (*run now*), or the ledger has forgotten it, or the
        schedule is deleted.

        Raises DatabaseError if the database cannot be asked.
        """
        return self.answers.covers()

    @property
    def previous_success(self) -> datetime | None:
        """The latest `scheduled_for` before this one for which a run of the same schedule has succeeded.

        Runs by hand count, and so do retries by hand of a run that had failed. It is asked of history once in an
        attempt. None: none has succeeded, or no schedule made the job.

        Raises DatabaseError if the database cannot be asked.
        """
        return self.answers.previous_success()

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Tell how far the task is: so much is done, of a total if it is known, in any unit.

        A call takes a moment, and the newest is kept; so call it as often as you like. It is seen outside at once or a
        second later, also while the task is inside a transaction. It never fails the job, but for a fault in the call:
        raises TypeError or ValueError where a number is none, is not finite, or is below 0. done may be greater than
        total. note: a text; what is longer than 255 characters is cut. Under `.now()` it does nothing.
        """
        what = told(done, total, note)
        if self.tell is not None:
            self.tell(what)


class UnderWay(Protocol):
    """A run of a task. What it tells is put together only when somebody asks."""

    def told(self) -> CurrentJob: ...


under_way: ContextVar[UnderWay | None] = ContextVar("carillon_run", default=None)


def current_job() -> CurrentJob | None:
    """The job that runs here. None: no task of ours runs here."""
    run = under_way.get()
    return None if run is None else run.told()
