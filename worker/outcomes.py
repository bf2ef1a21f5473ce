"""The outcome of an attempt: a value. `worker.running` decides it, and `worker.queue` records it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, NotRequired, TypedDict

from worker.messages.expected import is_instant

LONGEST_ERRORS = 250_000
"""Characters of a job's errors that are kept: a job may be tried ten thousand times, and each claim reads them."""


class DeadlineMissed(Exception):
    """Nobody raises it: it tells of a job that was not started before its deadline, and so did not run."""

    __module__ = "worker.api"


class WorkersDied(Exception):
    """Nobody raises it: it tells of a job that was given up, since worker after worker died with it."""

    __module__ = "worker.api"


@dataclass(frozen=True, slots=True)
class Error:
    """One failed attempt, as history keeps it."""

    attempt: int
    kind: str
    message: str
    traceback: str
    at: datetime
    exception: str = ""
    """The dotted path from which its class can be imported, or a class above it."""

    def as_line(self, **of_attempt: str) -> str:
        """One line of JSON: the errors of a job are such lines, one an attempt. `of_attempt`: more to say of it."""
        return json.dumps(
            {
                "attempt": self.attempt,
                "kind": self.kind,
                "message": self.message,
                "traceback": self.traceback,
                "at": self.at.isoformat(),
                "exception": self.exception,
                **of_attempt,
            }
        )


class ErrorLine(TypedDict):
    """What such a line holds."""

    attempt: int
    kind: str
    message: str
    traceback: str
    at: str
    exception: NotRequired[str]
    started_at: NotRequired[str]
    worker: NotRequired[str]


def read_error(line: str, otherwise_at: datetime) -> ErrorLine:
    """What a line says. One that nobody here has written is told as it is, and as if it were of that time."""
    try:
        told: ErrorLine = json.loads(line)
        texts = (told["kind"], told["message"], told["traceback"])
        is_error = isinstance(told["attempt"], int) and all(isinstance(text, str) for text in texts)
        if is_error and is_instant(datetime.fromisoformat(told["at"])):
            return told
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        pass
    return ErrorLine(attempt=0, kind="unreadable", message=line, traceback="", at=otherwise_at.isoformat())


def with_error(errors: str, error: Error, **of_attempt: str) -> str:
    """The errors of a job and one more. Where they grow too long, the first and the latest stay."""
    line = error.as_line(**of_attempt)
    if len(errors) + len(line) < LONGEST_ERRORS:
        return f"{errors}{line}\n"
    first, *others = errors.splitlines(keepends=True) or [""]
    room = LONGEST_ERRORS - len(first) - len(line) - 1
    latest = [other for other, length in zip(others, _lengths_from(others), strict=True) if length <= room]
    return "".join([first, *latest, line, "\n"])


def _lengths_from(lines: list[str]) -> list[int]:
    """Of each line and all that follow it."""
    return list(accumulate(map(len, reversed(lines))))[::-1]


@dataclass(frozen=True, slots=True)
class Succeeded:
    result: Any = None
    kept: str | None = None
    """The result as history keeps it (`worker.results`). None: it is nobody's business."""


@dataclass(frozen=True, slots=True)
class Retry:
    error: Error
    delay: float
    """Seconds until the next attempt."""


@dataclass(frozen=True, slots=True)
class Failed:
    error: Error


@dataclass(frozen=True, slots=True)
class Cancelled:
    reason: str
    error: Error | None = None
    """With what its last attempt failed, after somebody had asked it to stop."""


@dataclass(frozen=True, slots=True)
class Snoozed:
    delay: float
    """Seconds until the job runs again."""


@dataclass(frozen=True, slots=True)
class Missed:
    """The job was not started before its deadline, so it was not run."""

    reason: str


Outcome = Succeeded | Retry | Failed | Cancelled | Snoozed | Missed
