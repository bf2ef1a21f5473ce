"""A database queue for Django with delays, retries and pooled workers. It knows nothing of clocks or calendars."""

from worker.outcomes import Cancel, Snooze

__all__ = ["Cancel", "Snooze"]
