"""Rule E2: run the occurrences of a past range that have no job, whatever the ledger says of them, or nothing.

It never runs an occurrence twice: under the schedule's row lock, a line for an instant that did not run becomes
`backfilled`, a range is split around the instants that run now, and an instant without a line gets one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from django.db import transaction
from django.db.models import Q

from schedules.changes.row import in_force
from schedules.models import Kind, Occurrence, Schedule
from schedules.occurrences import ledger
from schedules.occurrences.jobs import afterwards, job_of
from schedules.occurrences.spans import HAS_JOB
from schedules.planning.due import Ledgered, NotRun, first_bound
from schedules.recurrence.instants import TICK
from schedules.spec import InvalidSchedule
from worker import queue
from worker.messages.echo import echo
from worker.messages.expected import is_instant, must_be
from worker.options import options

MOST = 10_000
OVERLAPS = ("queue_all", "allow")


def backfill(
    schedule: Schedule,
    using: str,
    now: datetime,
    start: datetime,
    end: datetime,
    *,
    overlap: str = "queue_all",
    force: bool = False,
    dry_run: bool = False,
) -> int:
    """Enqueue a job for each occurrence from `start` to `end` that has none. Returns how many.

    Raises InvalidSchedule, naming what is wrong with the range.
    """
    if overlap not in OVERLAPS:
        raise InvalidSchedule(must_be(f"{schedule.name}: overlap", overlap, f"one of {', '.join(OVERLAPS)}"))
    with transaction.atomic(using=using), in_force(schedule.pk, using) as row:
        _check_range(row.name, start, end, now, force)
        lines = _lines(row, start, end, using)
        instants = _without_job(row, start, min(end, row.settled_until), lines)
        if len(instants) > MOST:
            raise InvalidSchedule(f"{row.name}: that is more than {MOST} runs. Take a shorter range.")
        if not dry_run and instants:
            _replace(row, lines, instants, using, now)
            _enqueue(row, instants, overlap, using, now)
    return len(instants)


def _check_range(name: str, start: datetime, end: datetime, now: datetime, force: bool) -> None:
    if not is_instant(start) or not is_instant(end):
        raise InvalidSchedule(f"{name}: start and end must be aware datetimes; given {echo(start)} and {echo(end)}.")
    if not start <= end <= now:
        raise InvalidSchedule(f"{name}: a backfill needs a past start and a later past end; given {start} to {end}.")
    if start < now - options().KEEP_LEDGER and not force:
        raise InvalidSchedule(
            f"{name}: the ledger is kept for {options().KEEP_LEDGER.days} days, so it no longer says what "
            f"ran at {start}. Pass force=True to run the range all the same."
        )


def _lines(row: Schedule, start: datetime, end: datetime, using: str) -> list[Occurrence]:
    """The lines of the ledger that speak of instants in the range."""
    nominal = Occurrence.objects.using(using).filter(schedule=row.pk, kind=Kind.NOMINAL, scheduled_for__lte=end)
    return list(nominal.filter(Q(scheduled_for__gte=start) | Q(scheduled_until__gte=start)).order_by("scheduled_for"))


def _without_job(row: Schedule, start: datetime, end: datetime, lines: Sequence[Occurrence]) -> list[datetime]:
    have = {line.scheduled_for for line in lines if line.outcome in HAS_JOB}
    if row.repeat and row.anchor and not any(line.scheduled_for == row.anchor for line in lines):
        have.add(row.anchor)  # a repeat counts from there, but its first occurrence may be one period later
    foreign = list(_ranges_of_other_recurrences(row, lines))
    policies = row.policies
    last = min(end, policies.repeat_until or end)
    instants = (
        at
        for at in row.recurrence.between(first_bound(policies, start - TICK), last)
        if at not in have and not any(first <= at <= last for first, last in foreign)
    )
    return list(islice(instants, MOST + 1))


def _ranges_of_other_recurrences(row: Schedule, lines: Sequence[Occurrence]) -> Iterator[tuple[datetime, datetime]]:
    """Those left before the schedule was edited. How many instants they stand for is known, and not which."""
    for line in lines:
        first, last = line.scheduled_for, line.scheduled_until
        if last is not None and _outline(row, first - TICK, last) != (first, last, line.count):
            yield first, last


def _outline(row: Schedule, start: datetime, end: datetime) -> tuple[datetime | None, datetime | None, int]:
    """Of the instants after `start`, up to and including `end`: the first, the last, and how many."""
    recurrence = row.recurrence
    return next(recurrence.between(start, end), None), recurrence.latest(start, end), recurrence.count(start, end)


def _replace(
    row: Schedule, lines: Sequence[Occurrence], instants: Sequence[datetime], using: str, now: datetime
) -> None:
    """Take the instants out of the lines that say they did not run."""
    gone, rests = [], []
    for line in lines:
        first = bisect_left(instants, line.scheduled_for)
        taken = instants[first : bisect_right(instants, line.latest, lo=first)]
        if taken:
            gone.append(line.pk)
            rests += [ledger.not_run(row.pk, rest, term=line.term, now=now) for rest in _rest(row, line, taken)]
    ledger.forget(gone, using)
    ledger.write(rests, using)


def _rest(row: Schedule, line: Occurrence, taken: Sequence[datetime]) -> list[NotRun]:
    """What is left of a range when instants are taken out of it. They are neighbours, so that is a head and a tail."""
    head = (line.scheduled_for - TICK, taken[0] - TICK)
    tail = (taken[-1], line.latest)
    rest = []
    for start, end in (head, tail):
        first, last, count = _outline(row, start, end)
        if first is not None and last is not None:
            rest.append(NotRun(Ledgered(line.outcome), first, last, count, line.reason))
    return rest


def _enqueue(row: Schedule, instants: Sequence[datetime], overlap: str, using: str, now: datetime) -> None:
    runs = afterwards(row, instants, now, waits=overlap == "queue_all")
    ids = queue.enqueue_many([job_of(row, run, now) for run in runs], using)
    lines = [
        ledger.enqueued(row.pk, at, job_id, term=None, now=now, outcome=Ledgered.BACKFILLED)
        for at, job_id in zip(instants, ids, strict=True)
    ]
    ledger.write(lines, using)
