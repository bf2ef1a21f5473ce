"""A job queue in the database, with delays, retries and workers with threads. It knows nothing of schedules."""

from worker.outcomes import Cancel, Fail, Snooze

__all__ = ["Cancel", "Fail", "Snooze"]
