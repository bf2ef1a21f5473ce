"""The admin of the queue: jobs, their history, and workers. It shows all of it and lets an operator cancel and retry.

Importing this registers the pages. Rows change only through `worker.queue`.
"""

from worker.admin.jobs import FinishedJobAdmin, JobAdmin
from worker.admin.workers import WorkerProcessAdmin

__all__ = ["FinishedJobAdmin", "JobAdmin", "WorkerProcessAdmin"]
