"""How long a failed job waits before its next attempt. Pure: no clock, no Django, no randomness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from worker.messages.echo import echo
from worker.messages.expected import is_number

Delays = float | Sequence[float]
"""Seconds before the second attempt, doubling up to `LONGEST_DOUBLED`; or the delays themselves, the last repeated."""
Asked = Callable[[BaseException, Any], float | None]
"""Is given the error and the job, and answers with seconds. None: give up."""
Backoff = Delays | Asked

LONGEST = 86_400.0
LONGEST_DOUBLED = 3_600.0
"""Whoever waits for the end of an outage does not want to wait as long again."""
SPREAD = 0.1


def delay(backoff: Delays, attempt: int, job_id: int) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1).

    Jobs that failed together do not come back together: each is shifted by up to a tenth, by its id,
    so the answer is the same however often it is asked.
    """
    seconds = _doubling(backoff, attempt) if isinstance(backoff, (int, float)) else _listed(backoff, attempt)
    return seconds * (1 + SPREAD * _fraction(job_id, attempt))


def problem(backoff: object) -> str | None:
    """What is wrong with a value given as a backoff of a row or of the settings, or None."""
    if callable(backoff):
        return f"{echo(backoff)} is no backoff here: a function is given where its task is declared, in code."
    delays = backoff if isinstance(backoff, (list, tuple)) else [backoff]
    if delays and all(is_delay(each) for each in delays):
        return None
    return f"{echo(backoff)} is no backoff: give seconds, or a list of them, from 0 to {LONGEST:.0f}."


def is_delay(value: object) -> bool:
    """Whether that many seconds are a delay that a backoff may have."""
    return is_number(value, 0, LONGEST)


def _doubling(first: float, attempt: int) -> float:
    return float(min(max(first, LONGEST_DOUBLED), first * 2.0 ** min(attempt - 1, 64)))


def _listed(delays: Sequence[float], attempt: int) -> float:
    return float(delays[min(attempt, len(delays)) - 1])


def _fraction(job_id: int, attempt: int) -> float:
    digest = blake2b(f"{job_id}:{attempt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) / 2**32
