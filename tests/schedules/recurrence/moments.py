"""Instants as short texts and back, so that a test reads like a timetable. All are in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from schedules.planning.due import NotRun

DAY = date(2026, 7, 1)
"""The date of a time without one: a Wednesday on which no clock changes."""


def at(text: str) -> datetime:
    """ "10:05", "10:05:30", "07-02 10:05" or "2027-07-01 10:05"."""
    match text.count("-"):
        case 0:
            text = f"{DAY} {text}"
        case 1:
            text = f"{DAY.year}-{text}"
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def moment(instant: datetime) -> str:
    """The shortest text that `at` reads as the same instant."""
    clock = f"{instant:%H:%M:%S.%f}".removesuffix(".000000").removesuffix(":00")
    if instant.date() == DAY:
        return clock
    return f"{instant:%m-%d} {clock}" if instant.year == DAY.year else f"{instant:%Y-%m-%d} {clock}"


def span(first: datetime, last: datetime, count: int) -> str:
    """ "10:05", or "10:01–10:04 (4)"."""
    return moment(first) if count == 1 else f"{moment(first)}–{moment(last)} ({count})"


def explained(lines: Iterable[NotRun]) -> list[str]:
    """What did not run, such as "10:01–10:04 (4) coalesced"."""
    return [f"{span(line.first, line.last, line.count)} {line.outcome}" for line in lines]
