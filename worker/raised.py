"""What a task raises to say how its job goes on. Any other exception is an error, and its attempt has failed."""

from __future__ import annotations

from datetime import timedelta

LONGEST_DELAY = 3660 * 86_400
"""Seconds. Databases can add them to any instant; a later date than they know could never be recorded."""


class Cancel(Exception):
    """Raise it in a task to end the job as cancelled, with the message as the reason. It is not retried."""

    __module__ = "worker"


class Fail(Exception):
    """Raise it in a task to end the job as failed, with the message as the reason. It is not retried.

    Use it where another attempt could not succeed. Like any failure it has a traceback, and is reported as a problem.
    """

    __module__ = "worker"


class Snooze(Exception):
    """Raise it in a task to run the same job again later. It does not count as an attempt.

    `delay`: seconds, or a timedelta; not negative, and at most ten years.
    """

    __module__ = "worker"

    def __init__(self, delay: float | timedelta) -> None:
        self.seconds = _seconds(delay, f"Snooze({delay!r}): the delay")
        super().__init__(self.seconds)


class Retry(Exception):
    """Raise it in a task to say that this attempt has failed, and when to try again. The last attempt fails for good.

    `after`: seconds, or a timedelta; not negative, and at most ten years. Without it, the task's backoff says when.
    `reason`: what is kept as the message of the error.
    """

    __module__ = "worker"

    def __init__(self, after: float | timedelta | None = None, reason: str = "") -> None:
        self.seconds = None if after is None else _seconds(after, f"Retry({after!r}): the delay")
        self.reason = reason
        super().__init__(self.seconds, reason)

    def __str__(self) -> str:
        return self.reason or "The task asked for another attempt."


def is_delay(seconds: object) -> bool:
    """Whether a job can wait for so long."""
    return isinstance(seconds, (int, float)) and 0 <= seconds <= LONGEST_DELAY


def _seconds(delay: float | timedelta, what: str) -> float:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
    if not is_delay(seconds):
        raise ValueError(f"{what} must be a number of seconds from 0 to {LONGEST_DELAY}.")
    return seconds
