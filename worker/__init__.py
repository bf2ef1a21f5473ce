"""A job queue in the database, with delays, retries and workers with threads. It knows nothing of schedules."""

from worker.current import CurrentJob, current_job
from worker.job_filter import JobFilter
from worker.outcomes import Cancel, Fail, Snooze

__all__ = ["Cancel", "CurrentJob", "Fail", "JobFilter", "Snooze", "current_job"]
