"""For a project's LOGGING: its records say in which job they were made."""

from __future__ import annotations

import logging

from worker.current import current_job


class JobFilter(logging.Filter):
    """Lets all records pass, and gives each `job_id`, `job_task` and `job_attempt`: None outside a job.

    A record that has them already keeps them: it may come here a second time, in a thread that only writes.
    """

    __module__ = "worker"

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "job_id"):
            job = current_job()
            record.job_id = job and job.id
            record.job_task = job and job.task
            record.job_attempt = job and job.attempt
        return True
