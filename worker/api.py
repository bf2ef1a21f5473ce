"""The errors that the queue raises. With `worker.models` and `worker.signals` they are its public names.

The `__module__` of each error is the module from which users import it: tracebacks and pickles show that name.
"""

from __future__ import annotations

from worker.arguments import InvalidArguments
from worker.calls import InvalidCall, TablesMissing
from worker.outcomes import DeadlineMissed, WorkersDied
from worker.tasks import InvalidTask, UnknownTask

__all__ = [
    "DeadlineMissed",
    "InvalidArguments",
    "InvalidCall",
    "InvalidTask",
    "TablesMissing",
    "UnknownTask",
    "WorkersDied",
]
