"""The policies of a schedule (catch-up, overlap, jitter, limits), and what is wrong with a given value.

Pure: no Django, no clock. `planning` applies them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from worker.messages.expected import A_FLAG, AN_INSTANT, a_whole_number, is_instant, is_whole, must_be


class CatchUp(StrEnum):
    """M3: which of several overdue occurrences run."""

    LATEST = "latest"
    EARLIEST = "earliest"
    ALL = "all"
    NONE = "none"


class Overlap(StrEnum):
    """O1: what happens while the run before is unfinished."""

    SKIP = "skip"
    ALLOW = "allow"
    QUEUE_ONE = "queue_one"
    QUEUE_ALL = "queue_all"


class InvalidPolicy(ValueError):
    """A policy is given a value that it cannot have; the message says which are possible."""

    __module__ = "schedules.api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What a schedule wants done with its occurrences. All durations are whole seconds."""

    starts_at: datetime | None = None
    """Earlier occurrences are never created."""
    repeat_until: datetime | None = None
    """Later occurrences are never created."""
    max_runs: int | None = None
    """The schedule ends after so many jobs."""
    exclude: tuple[date, ...] = ()
    """Dates, in the schedule's zone, on which nothing runs."""
    catch_up: str = CatchUp.LATEST
    catch_up_window: int | None = None
    """Occurrences that are overdue by more than this are missed. None: none is."""
    max_catch_up: int = 100
    """The most that catch_up="all" runs at once, the newest."""
    late_after: int = 60
    """With catch_up="none": an occurrence overdue by more than this is missed."""
    start_deadline: int | None = None
    """A job not started so long after its time is not run. None: it waits for ever."""
    overlap: str = Overlap.SKIP
    jitter: int = 0
    """Runs are spread over so many seconds after their nominal instants, each always by the same."""
    retry_past_next: bool = False
    """Whether a failed job may be retried when the next occurrence is due."""

    def __post_init__(self) -> None:
        for fault in _faults(self):
            raise InvalidPolicy(fault)


def _faults(policies: Policies) -> Iterator[str]:
    for name, least in _LEAST.items():
        value = getattr(policies, name)
        if not is_whole(value, least, _MOST) and (value is not None or name in _NEEDED):
            yield must_be(name, value, a_whole_number(least, _MOST))
    if policies.overlap == "cancel_running":
        yield 'overlap="cancel_running" is not possible: a running job can be asked to stop only. Use "skip".'
    for name, choices in (("catch_up", CatchUp), ("overlap", Overlap)):
        value = getattr(policies, name)
        if value not in list(choices) and value != "cancel_running":
            yield must_be(name, value, f"one of {', '.join(choices)}")
    for name in ("starts_at", "repeat_until"):
        value = getattr(policies, name)
        if value is not None and not is_instant(value):
            yield must_be(name, value, AN_INSTANT)
    if not all(type(day) is date for day in policies.exclude):
        yield must_be("exclude", policies.exclude, "a list of dates")
    if not isinstance(policies.retry_past_next, bool):
        yield must_be("retry_past_next", policies.retry_past_next, A_FLAG)


_MOST = 2**31 - 1
_LEAST = {
    "max_runs": 1,
    "catch_up_window": 0,
    "max_catch_up": 1,
    "late_after": 0,
    "start_deadline": 1,
    "jitter": 0,
}
_NEEDED = ("max_catch_up", "late_after", "jitter")
