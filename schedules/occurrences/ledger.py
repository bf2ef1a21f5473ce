"""The ledger: one line for each occurrence that was considered, or for a range of them that did not run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connections

from schedules.models import Kind, Occurrence
from schedules.occurrences.spans import remember_runs
from schedules.planning.due import Ledgered, NotRun
from worker import erasure
from worker.dialects import dialect_of
from worker.values import Ended

LONGEST = 255
"""The most characters of a reason."""


class Line(NamedTuple):
    """A line to write."""

    schedule_id: int
    kind: str
    scheduled_for: datetime
    scheduled_until: datetime | None
    stands_for: int
    outcome: str
    reason: str
    job_id: int | None
    term: int | None
    recorded_at: datetime


def enqueued(
    schedule_id: int,
    scheduled_for: datetime,
    job_id: int,
    *,
    term: int | None,
    now: datetime,
    outcome: Ledgered = Ledgered.ENQUEUED,
) -> Line:
    return Line(schedule_id, _NOMINAL, scheduled_for, None, 1, outcome.value, "", job_id, term, now)


def manual(schedule_id: int, job_id: int, *, reason: str, now: datetime) -> Line:
    return Line(schedule_id, _MANUAL, now, None, 1, Ledgered.MANUAL.value, reason[:LONGEST], job_id, None, now)


def not_run(schedule_id: int, what: NotRun, *, term: int | None, now: datetime) -> Line:
    until = what.last if what.count > 1 else None
    reason = what.reason[:LONGEST]
    return Line(schedule_id, _NOMINAL, what.first, until, what.count, what.outcome.value, reason, None, term, now)


def write(lines: Sequence[Line], using: str) -> None:
    """Add lines in the caller's transaction. Raises IntegrityError when an occurrence has one already."""
    connection = connections[using]
    dialect_of(connection).many.add(connection, Occurrence, _COLUMNS, lines)


def forget(lines: Sequence[int], using: str) -> None:
    """Remove lines in the caller's transaction, to write others in their place."""
    erasure.erase(Occurrence, lines, using)


def prune(using: str, before: datetime) -> Iterator[int]:
    """Forget lines recorded before that instant: a portion with each step, which gives how many that were.

    They lie behind the cursor, so nothing fires again.
    """
    return erasure.prune(Occurrence, "recorded_at", before, using, first=[remember_runs])


def record_missed(missed: Sequence[Ended], using: str) -> None:
    """Rule M6: the worker found jobs too late to start; say so where one would look for their runs."""
    jobs = [each.job.id for each in missed if each.job.schedule_id is not None]
    lines = Occurrence.objects.using(using).filter(job_id__in=jobs)
    lines.update(outcome=Ledgered.MISSED, reason="its job was not started before its deadline")


_COLUMNS = tuple("count" if name == "stands_for" else name for name in Line._fields)
_NOMINAL, _MANUAL = Kind.NOMINAL.value, Kind.MANUAL.value
