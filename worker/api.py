"""What code may rely on of the queue besides its models and signals: the errors that it raises.

An error says that it is of the door at which it stands: tracebacks show that name, and a pickle finds it there.
"""

from __future__ import annotations

from worker.arguments import InvalidArguments
from worker.calls import InvalidCall, TablesMissing
from worker.tasks import InvalidTask, UnknownTask

__all__ = ["InvalidArguments", "InvalidCall", "InvalidTask", "TablesMissing", "UnknownTask"]
