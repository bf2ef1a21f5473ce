"""A job by its id, wherever it is: what became of it, and the verbs on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from functools import cached_property
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction

from worker import queue
from worker.calls import Explained
from worker.current.progress import Progress
from worker.handles import by_id
from worker.handles.waiting import await_finished, wait
from worker.messages.echo import echo
from worker.messages.expected import A_SHORT_TEXT, is_short_text, must_be
from worker.models import FinishedJob, Job, JobReport
from worker.options import options
from worker.outcomes import ErrorLine
from worker.reports import find, progress_of


class NoSuchJob(LookupError):
    """No job has that id: there never was one, or it was pruned."""

    __module__ = "worker.api"


class Cancellation(Enum):
    """What a cancellation has done. It is true but for `TOO_LATE`."""

    __module__ = "worker.api"

    CANCELLED = "cancelled"
    """Nobody had started the job: it has ended, and does not run."""
    ASKED = "asked to stop"
    """It runs, and was asked to stop (`CurrentJob.cancelled`). Unless it succeeds, it ends as cancelled."""
    TOO_LATE = "too late"
    """It had finished before."""

    def __bool__(self) -> bool:
        return self is not Cancellation.TOO_LATE


class JobHandle:
    """A job as it was when it was read. A job keeps its id when it is finished."""

    __module__ = "worker.api"

    def __init__(self, row: Job | FinishedJob) -> None:
        self.row = row
        """A `worker.models.Job`, or a `FinishedJob` once it is finished. Do not change it."""

    @property
    def id(self) -> int:
        return self.row.pk

    @property
    def state(self) -> str:
        """One of `JobState`; once it is finished, one of `FinishedState`."""
        return self.row.state

    @property
    def is_finished(self) -> bool:
        return isinstance(self.row, FinishedJob)

    @property
    def is_asked_to_stop(self) -> bool:
        """Whether it runs, and somebody has asked it to stop."""
        return isinstance(self.row, Job) and self.row.cancel_reason is not None

    @property
    def result(self) -> Any:
        """What the task returned, if it has succeeded and its result is kept (`keep_result`), else None.

        Raises CannotDecode where the project's codec does not decode it here.
        """
        return self.row.result if isinstance(self.row, FinishedJob) else None

    @property
    def errors(self) -> list[ErrorLine]:
        """The attempts that failed, oldest first."""
        return self.row.error_list

    @property
    def progress(self) -> Progress | None:
        """How far its task was when it told that last (`current_job().progress(…)`). None: it has told nothing.

        Of a job that is read by `aget`, it was read with it; else it is read when it is first asked for.
        """
        return progress_of(self._report)

    @property
    def log(self) -> str:
        """What its attempts have logged, if its task has `log=True`: the newest of it, without secrets. Else empty."""
        return (self._report.log or "") if self._report else ""

    @cached_property
    def _report(self) -> JobReport | None:
        with Explained(f"get({self.id}).progress", options().DATABASE, "await ….aget(…)"):
            return find(options().DATABASE, [self.id]).get(self.id)

    def refresh(self) -> JobHandle:
        """The same job as it is now. Raises NoSuchJob if it was pruned."""
        return get(self.id)

    def wait(self, timeout: float | None = None) -> JobHandle:
        """Wait until the job is finished, whatever attempts it takes. Returns it as it is then.

        timeout: seconds; None: for ever. A task must give one, since it keeps its slot while it waits.
        Raises NotFinished when the time is over, NoSuchJob if history does not have the job, and
        TransactionManagementError for a job that is not finished, in a transaction.
        """
        if self.is_finished:
            return self
        with _known(self.id):
            return JobHandle(wait(self.id, timeout, "JobHandle.wait"))

    def cancel(self, reason: str = "") -> Cancellation:
        """End the job if nobody has started it; if it runs, ask it to stop. Returns which of these happened.

        A job that was asked to stop is not tried again, and not put back: unless it succeeds, it ends as cancelled.

        reason: a short text for people. Raises ValueError for one that is none.
        """
        if not is_short_text(reason):
            raise ValueError(must_be("reason", reason, A_SHORT_TEXT))
        using = options().DATABASE
        with Explained("JobHandle.cancel", using, "await ….acancel(…)"):
            reached = queue.cancel([self.id], reason, using)
        if reached.asked:
            return Cancellation.ASKED
        return Cancellation.CANCELLED if reached else Cancellation.TOO_LATE

    def retry(self) -> JobHandle:
        """Enqueue a finished job again, as a new one that is linked to it. Returns the new one.

        Raises NoSuchJob if there is no finished job of that id: it is not finished yet, or was pruned.
        """
        using = options().DATABASE
        with (
            Explained("JobHandle.retry", using, "await ….aretry(…)"),
            transaction.atomic(using=using),  # nobody takes the new one before it is read
        ):
            new = queue.retry([self.id], using)
            if not new:
                raise NoSuchJob(f"Job {self.id} cannot be retried: history has no job of that id.")
            return get(new[0])

    async def await_finished(self, timeout: float | None = None) -> JobHandle:  # noqa: ASYNC109  as its twin has
        """The same as `wait`, in async code, where `await` can be no name. It keeps no thread while it waits."""
        if self.is_finished:
            return self
        with _known(self.id):
            return JobHandle(await await_finished(self.id, timeout, "JobHandle.await_finished"))

    async def arefresh(self) -> JobHandle:
        """The same as `refresh`, in async code."""
        return await aget(self.id)

    async def acancel(self, reason: str = "") -> Cancellation:
        """The same as `cancel`, in async code."""
        return await sync_to_async(self.cancel)(reason)

    async def aretry(self) -> JobHandle:
        """The same as `retry`, in async code."""
        return await sync_to_async(self.retry)()


@contextmanager
def _known(id: int) -> Iterator[None]:
    """A job that was there and is nowhere has ended."""
    try:
        yield
    except NoSuchJob:
        raise
    except LookupError as error:
        raise NoSuchJob(f"Job {id} has ended, and history does not have it: it was pruned, or is not kept.") from error


def get(id: int) -> JobHandle:
    """The job of that id, in the queue or in history. Raises NoSuchJob."""
    using = options().DATABASE
    with Explained(f"get({echo(id)})", using, "await ….aget(…)"):
        row = by_id.find(id, using)
    if row is None:
        raise NoSuchJob(must_be("id", id, "the id of a job that is in the queue or in history"))
    return JobHandle(row)


async def aget(id: int) -> JobHandle:
    """The same as `get`, in async code."""
    return await sync_to_async(_get_with_report)(id)


def _get_with_report(id: int) -> JobHandle:
    handle = get(id)
    _ = handle._report  # asynchronous code could not read it later
    return handle
