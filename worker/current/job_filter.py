"""For a project's LOGGING: its records say in which job they were made."""

from __future__ import annotations

import logging

from worker.current import current_job


class JobFilter(logging.Filter):
    """Lets all records pass, and gives each a `job_id`, and more of its kind: None outside a job.

    These are what the job knows without a look at the database.

    A record that has them already keeps them: it may come here a second time, in a thread that only writes.
    """

    __module__ = "worker"

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "job_id"):
            job = current_job()
            for name in _TOLD:
                setattr(record, f"job_{name}", job and getattr(job, name))
        return True


_TOLD = ("id", "task", "attempt", "max_attempts", "queue", "enqueued_at", "scheduled_for", "deadline")
