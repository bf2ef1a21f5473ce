"""Jobs as users get hold of them: one by its id (`one`), or all that match (`many`, chosen by `filters`).

For users, at the door `worker.api`. What a verb does to a job is the queue's business. Here stands which jobs it is
done to, in what portions, and what is told of it.
"""

from __future__ import annotations

from worker.handles.filters import InvalidFilter
from worker.handles.many import acancel_all, aretry_all, cancel_all, retry_all
from worker.handles.one import Cancellation, JobHandle, NoSuchJob, aget, get
from worker.handles.verbs import Counts
from worker.handles.waiting import NotFinished

__all__ = [
    "Cancellation",
    "Counts",
    "InvalidFilter",
    "JobHandle",
    "NoSuchJob",
    "NotFinished",
    "acancel_all",
    "aget",
    "aretry_all",
    "cancel_all",
    "get",
    "retry_all",
]
