"""A job queue in the database, with delays, retries and workers with threads. It knows nothing of schedules."""

from worker.current import CurrentJob, current_job
from worker.current.job_filter import JobFilter
from worker.raised import Cancel, Fail, Retry, Snooze

__all__ = ["Cancel", "CurrentJob", "Fail", "JobFilter", "Retry", "Snooze", "current_job"]
