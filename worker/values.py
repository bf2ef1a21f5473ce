"""The values that cross between the queue and its callers: a job to add, a claim, a job that is held, how a run ended.

If a value has a job's columns, its fields have the names of the columns. They are written down only here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from worker.models import FinishedState, JobState
from worker.outcomes import Cancelled, Error, Failed, Missed, Outcome, Retry, Snoozed, Succeeded, with_error


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
    lane: str | None = None
    schedule_id: int | None = None
    scheduled_for: datetime | None = None
    start_by: datetime | None = None
    retry_before: datetime | None = None
    retry_of: int | None = None
    task_options: str | None = None
    run_at: datetime | None = None
    delay: float = 0.0


class Unfinished(NamedTuple):
    """What whoever is in the lane of such a job asks about it."""

    state: str
    task: str
    queue: str
    interruptions: int
    """How many workers died with it."""


ANY_LENGTH = 2**31 - 1


class Wanted(NamedTuple):
    """What a claim wants: up to `limit` ready jobs, the most urgent first."""

    token: int
    """The fence of this claim, and of no other."""
    worker_id: int
    limit: int
    queues: Sequence[str] = ()
    """None: all of them."""
    without_tasks: Collection[str] = ()
    interrupted_below: int | None = None
    """Only jobs whose workers died less often than that. None: however often."""
    beyond: Mapping[int, int] = MappingProxyType({})
    """By priority, the id from which to look, where places are kept. Else look everywhere."""
    longest: int = ANY_LENGTH
    """Bytes. Where the texts of a job are longer, they are left out."""


class ClaimedJob(NamedTuple):
    """A job that this process holds, under the fence `claim`. All of it are columns."""

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
    queue: str
    enqueued_at: datetime
    scheduled_for: datetime | None = None
    lane: str | None = None
    task_options: str | None = None

    @property
    def hold(self) -> tuple[int, int]:
        """This hold of the job, and no other."""
        return self.id, self.claim

    @property
    def lacks_texts(self) -> bool:
        """Its claim left out `arguments` and `errors`, for they are long. Arguments are never an empty text."""
        return not self.arguments


class Finish(NamedTuple):
    """How a job ended, to be written under its fence. All but the job are columns of history."""

    job: ClaimedJob
    state: str
    attempts: int
    errors: str
    reason: str
    started_at: datetime | None
    finished_at: datetime
    result: str | None = None
    keep_until: datetime | None = None
    """As its task says. None: the settings do."""
    worker: str = ""
    """The process that held it. Empty: none did."""

    @property
    def heeds_request(self) -> bool:
        """Whether it ends as cancelled if somebody has asked the job to stop, with that reason."""
        return self.state == _FAILED or (self.state == _CANCELLED and not self.reason)

    def stopped(self, reason: str | None) -> Finish:
        """The same, where it was asked to stop for that reason. None: it was not."""
        return self if reason is None else self._replace(state=_CANCELLED, reason=reason)


Recorded = dict[tuple[int, int], str | None]
"""The holds of jobs that went into history. By hold, why somebody has asked it to stop, where that is why it ended."""


class PutBack(NamedTuple):
    """A job that runs again after `delay` seconds, to be written under its fence."""

    job: ClaimedJob
    delay: float
    attempts: int
    errors: str


class Mark(NamedTuple):
    """What tells the transaction of a run from others, and is gone when it has ended."""

    name: str
    is_prepared: bool = False
    """Whether the session knows the statement that records the run."""


class Ended(NamedTuple):
    """A run that is over: the job, what came of it, and from when to when, by the database's clock."""

    job: ClaimedJob
    outcome: Outcome
    started_at: datetime
    finished_at: datetime
    recorded: bool = False
    """Its outcome is in the database already: the run was a transaction that wrote it."""
    undone_since: str = ""
    """What the database said against its success, for which the run was undone."""

    @property
    def took(self) -> float:
        """Seconds."""
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def kept(self) -> str:
        """Its result as history keeps it, or nothing."""
        outcome = self.outcome
        return outcome.kept or "" if type(outcome) is Succeeded else ""

    def finish(self, worker: str) -> Finish | None:
        """What goes into history, unless the job runs again."""
        job, errors, result = self.job, self.job.errors, None
        match self.outcome:
            case Succeeded() as success:
                state, attempts, reason, result = _SUCCEEDED, job.attempts + 1, "", success.kept
            case Failed(error):
                state, attempts, reason = _FAILED, job.attempts + 1, f"{error.kind}: {error.message}"
                errors = self._with(error, worker)
            case Cancelled(why, error):
                state, attempts, reason = _CANCELLED, job.attempts + 1, why
                errors = errors if error is None else self._with(error, worker)
            case Missed(why):
                return Finish(job, _MISSED, job.attempts, errors, why, None, self.finished_at, worker=worker)
            case _:
                return None
        return Finish(job, state, attempts, errors, reason, self.started_at, self.finished_at, result, None, worker)

    def put_back(self, worker: str) -> PutBack | None:
        """What becomes of the job if it runs again."""
        job = self.job
        match self.outcome:
            case Retry(error, delay):
                return PutBack(job, delay, job.attempts + 1, self._with(error, worker))
            case Snoozed(delay):
                return PutBack(job, delay, job.attempts, job.errors)
        return None

    def cancelled(self, reason: str) -> Ended:
        """The same run of a job that somebody has asked to stop: it does not run again."""
        error = self.outcome.error if isinstance(self.outcome, Failed | Retry) else None
        return self._replace(outcome=Cancelled(reason, error))

    def _with(self, error: Error, worker: str) -> str:
        """The errors of the job and this one, of an attempt by that worker."""
        return with_error(self.job.errors, error, started_at=self.started_at.isoformat(), worker=worker)


_SUCCEEDED, _FAILED = FinishedState.SUCCEEDED.value, FinishedState.FAILED.value
_CANCELLED, _MISSED = FinishedState.CANCELLED.value, FinishedState.MISSED.value
