"""A job by its id, wherever it is: what became of it, and the verbs on it. For users, at the door `worker.api`."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction

from worker import queue
from worker.calls import Explained
from worker.messages.expected import A_SHORT_TEXT, is_short_text, is_whole, must_be
from worker.models import FinishedJob, Job
from worker.options import options
from worker.outcomes import ErrorLine

GREATEST_ID = 2**63 - 1


class NoSuchJob(LookupError):
    """No job has that id: there never was one, or it was pruned."""

    __module__ = "worker.api"


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
    def result(self) -> Any:
        """What the task returned, if it has succeeded and its result is kept (`keep_result`), else None."""
        return self.row.result if isinstance(self.row, FinishedJob) else None

    @property
    def errors(self) -> list[ErrorLine]:
        """The attempts that failed, oldest first."""
        return self.row.error_list

    def refresh(self) -> JobHandle:
        """The same job as it is now. Raises NoSuchJob if it was pruned."""
        return get(self.id)

    def cancel(self, reason: str = "") -> bool:
        """End the job unless somebody has started it. Returns whether that was done.

        reason: a short text for people. Raises ValueError for one that is none.
        """
        if not is_short_text(reason):
            raise ValueError(must_be("reason", reason, A_SHORT_TEXT))
        return bool(queue.cancel([self.id], reason, options().DATABASE))

    def retry(self) -> JobHandle:
        """Enqueue a finished job again, as a new one that is linked to it. Returns the new one.

        Raises NoSuchJob if there is no finished job of that id: it is not finished yet, or was pruned.
        """
        using = options().DATABASE
        with transaction.atomic(using=using):  # nobody takes the new one before it is read
            new = queue.retry([self.id], using)
            if not new:
                raise NoSuchJob(f"Job {self.id} cannot be retried: history has no job of that id.")
            return get(new[0])

    async def arefresh(self) -> JobHandle:
        """The same as `refresh`, in async code."""
        return await sync_to_async(self.refresh)()

    async def acancel(self, reason: str = "") -> bool:
        """The same as `cancel`, in async code."""
        return await sync_to_async(self.cancel)(reason)

    async def aretry(self) -> JobHandle:
        """The same as `retry`, in async code."""
        return await sync_to_async(self.retry)()


def get(id: int) -> JobHandle:
    """The job of that id, in the queue or in history. Raises NoSuchJob."""
    if is_whole(id, 1, GREATEST_ID):
        with Explained(f"get({id})", options().DATABASE, "await ….aget(…)"):
            for model in (Job, FinishedJob):  # in this order: it may be finished in between
                row = model.objects.using(options().DATABASE).filter(pk=id).first()
                if row is not None:
                    return JobHandle(row)
    raise NoSuchJob(must_be("id", id, "the id of a job that is in the queue or in history"))


async def aget(id: int) -> JobHandle:
    """The same as `get`, in async code."""
    return await sync_to_async(get)(id)
