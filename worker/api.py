"""Jobs by id or all that match, and the errors that the queue raises: its names, with `worker.models` and `.signals`.

The `__module__` of each error is the module from which users import it: tracebacks and pickles show that name.
"""

from __future__ import annotations

from worker.arguments import InvalidArguments
from worker.arguments.sealed import CannotDecode
from worker.calls import InvalidCall, TablesMissing
from worker.carry.carriers import CarrierFailed
from worker.codec import CodecFailed
from worker.current.progress import Progress
from worker.handles import (
    Cancellation,
    Counts,
    InvalidFilter,
    JobHandle,
    NoSuchJob,
    NotFinished,
    acancel_all,
    aget,
    aretry_all,
    cancel_all,
    get,
    retry_all,
)
from worker.outcomes import DeadlineMissed, WorkersDied
from worker.tasks import InvalidTask, UnknownTask

__all__ = [
    "Cancellation",
    "CannotDecode",
    "CarrierFailed",
    "CodecFailed",
    "Counts",
    "DeadlineMissed",
    "InvalidArguments",
    "InvalidCall",
    "InvalidFilter",
    "InvalidTask",
    "JobHandle",
    "NoSuchJob",
    "NotFinished",
    "Progress",
    "TablesMissing",
    "UnknownTask",
    "WorkersDied",
    "acancel_all",
    "aget",
    "aretry_all",
    "cancel_all",
    "get",
    "retry_all",
]
