"""A job by its id, and the errors that the queue raises: its public names, with `worker.models` and `worker.signals`.

The `__module__` of each error is the module from which users import it: tracebacks and pickles show that name.
"""

from __future__ import annotations

from worker.arguments import InvalidArguments
from worker.calls import InvalidCall, TablesMissing
from worker.job_handle import JobHandle, NoSuchJob, aget, get
from worker.outcomes import DeadlineMissed, WorkersDied
from worker.tasks import InvalidTask, UnknownTask

__all__ = [
    "DeadlineMissed",
    "InvalidArguments",
    "InvalidCall",
    "InvalidTask",
    "JobHandle",
    "NoSuchJob",
    "TablesMissing",
    "UnknownTask",
    "WorkersDied",
    "aget",
    "get",
]
