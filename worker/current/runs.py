"""The runs of tasks that can be under way: an attempt of a job, or a call of `.now()`.

What a run tells is put together when its task asks. What only the database knows is asked then too: through
`Enquiries`, so that the question touches neither the task's connection nor its transaction.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from django.db import DatabaseError, InterfaceError

from worker.current import NO_ANSWERS, Answers, CurrentJob, Span, under_way
from worker.current.progress import Told
from worker.models import Job
from worker.tasks import Task
from worker.values import ClaimedJob

T = TypeVar("T")


class Enquiries(Protocol):
    """How runs ask the database."""

    pause: float
    """Seconds between two looks at whether a job is to stop."""

    def ask(self, question: Callable[[str], T]) -> T:
        """The answer to `question(using)`, through a connection that no task uses. Raises what the question raises."""


class Planner(NamedTuple):
    """What whoever plans jobs knows of one. Each is asked with the job and the alias of a connection."""

    covers: Callable[[ClaimedJob, str], Span | None]
    previous_success: Callable[[ClaimedJob, str], datetime | None]


planners: list[Planner] = []
"""Those who plan add theirs."""


class Listener(Protocol):
    """Whom a run tells how far it is."""

    def tell(self, job: ClaimedJob, told: Told) -> None: ...


class Run(NamedTuple):
    """An attempt of a job."""

    job: ClaimedJob
    started_at: datetime
    worker: str
    """The name of the process."""
    listener: Listener | None = None
    enquiries: Enquiries | None = None
    """None: nobody can be asked."""
    known: dict[str, Any] | None = None
    """Empty: what its task asks is kept there."""

    def told(self) -> CurrentJob:
        tell = None if self.listener is None else partial(self.listener.tell, self.job)
        return as_told(self.job, self.answers, tell)

    @property
    def answers(self) -> Answers:
        if self.enquiries is None:
            return NO_ANSWERS
        return _OfRun(self.job, self.enquiries, {} if self.known is None else self.known)


class DirectCall(NamedTuple):
    """A task that runs at once where it is called, without a job."""

    task: Task

    def told(self) -> CurrentJob:
        return CurrentJob(None, self.task.name, 1, 1, self.task.queue)


def run() -> Run | None:
    """The attempt that is under way here. None: there is none, or its task has called another one."""
    here = under_way.get()
    return here if isinstance(here, Run) else None


def as_told(job: ClaimedJob, answers: Answers | None = None, tell: Callable[[Told], None] | None = None) -> CurrentJob:
    """The job as its task knows it. `tell`: who hears how far it is.

    Without answers, they are those of the attempt that is under way here.
    """
    if answers is None:
        here = run()
        answers = NO_ANSWERS if here is None else here.answers
    return CurrentJob(
        job.id,
        job.task,
        job.attempts + 1,
        job.max_attempts,
        job.queue,
        job.enqueued_at,
        job.scheduled_for,
        job.retry_before,
        answers,
        tell,
    )


class _OfRun:
    """The answers for one run. What has been answered is kept with it, for each thread that it has."""

    __slots__ = ("_enquiries", "_job", "_known")

    def __init__(self, job: ClaimedJob, enquiries: Enquiries, known: dict[str, Any]) -> None:
        self._job = job
        self._enquiries = enquiries
        self._known = known

    def cancelled(self) -> bool:
        now = time.monotonic()
        looked_at, answer = self._known.get("cancelled", _NEVER)
        if answer or now - looked_at < self._enquiries.pause:
            return bool(answer)
        self._known["cancelled"] = now, False  # no other thread of the task looks meanwhile
        try:
            answer = self._enquiries.ask(partial(_is_to_stop, self._job))
        except (DatabaseError, InterfaceError):  # it goes on: that the database is away is no reason to stop
            answer = False
        self._known["cancelled"] = time.monotonic(), answer
        return answer

    def covers(self) -> Span | None:
        covers: Span | None = self._of_plan("covers")
        return covers

    def previous_success(self) -> datetime | None:
        previous: datetime | None = self._of_plan("previous_success")
        return previous

    def _of_plan(self, what: str) -> Any:
        if self._job.scheduled_for is None:
            return None
        if what not in self._known:
            self._known[what] = self._enquiries.ask(partial(_of_planners, what, self._job))
        return self._known[what]


def _is_to_stop(job: ClaimedJob, using: str) -> bool:
    """Also where this run holds it no more: then nobody wants what comes of it."""
    held = Job.objects.using(using).filter(pk=job.id, claim=job.claim).values_list("cancel_reason", flat=True)
    return list(held) != [None]


def _of_planners(what: str, job: ClaimedJob, using: str) -> Any:
    found = (getattr(planner, what)(job, using) for planner in planners)
    return next((each for each in found if each is not None), None)


_NEVER = (-math.inf, False)
