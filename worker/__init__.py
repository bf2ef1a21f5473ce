"""A database queue for Django with delays, retries and pooled workers. It knows nothing of clocks or calendars."""

from worker.outcomes import Cancel, Fail, Snooze

__all__ = ["Cancel", "Fail", "Snooze"]
