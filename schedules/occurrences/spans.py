"""For which time a run of a schedule stands, and which run before it has succeeded. Both are asked by its task.

Nothing is stored for that: a run reaches from the instant of the latest run before it to its own. So the spans of what
has a job in the ledger follow each other without gap or overlap, whatever was left out, paused or filled in later: a
backfill takes its share out of the run after it. What retention takes away, the schedule remembers (`remember_runs`,
`remember_successes`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from schedules.models import Kind, Occurrence, Schedule
from schedules.occurrences.due_schedules import UNREADABLE
from schedules.planning.due import Ledgered
from schedules.recurrence.instants import TICK
from worker.current import Span
from worker.dialects.portions import portions
from worker.erasure import PORTION
from worker.models import FinishedJob, FinishedState, Job
from worker.values import ClaimedJob

HAS_JOB = (Ledgered.ENQUEUED.value, Ledgered.BACKFILLED.value)
"""Outcomes of instants that run, or have run. What was not started before its deadline has not."""
MOST_RETRIES = 100
"""Of one run by hand, one after the other, that are followed."""
LONGEST_PERIOD = timedelta(days=5 * 366)
RECURS = Q(run_at=None)


class _Planned(NamedTuple):
    """The run of a schedule that a job is, or that it repeats."""

    job: int
    schedule: int


def covers(job: ClaimedJob, using: str) -> Span | None:
    """The time for which the job stands: what is after the first instant, up to the second. None: for none."""
    if (planned := _planned(job, using)) is None or (at := job.scheduled_for) is None:
        return None
    line = _nominal(planned.schedule, using).filter(scheduled_for=at, job_id=planned.job)
    if not line.exists() or (began := begins_at(planned.schedule, at, using)) is None:
        return None
    return began, at


def begins_at(schedule: int, at: datetime, using: str) -> datetime | None:
    """Where the span of the run at that instant begins: at the run before, or where the schedule began to count.

    The schedule is read last: as long as it is there, so were its lines. None: somebody has deleted it.
    """
    before = _nominal(schedule, using).filter(scheduled_for__lt=at, outcome__in=HAS_JOB)
    latest = before.order_by("-scheduled_for").values_list("scheduled_for", flat=True).first()
    row = Schedule.objects.using(using).filter(pk=schedule).first()
    if row is None:
        return None
    known = [each for each in (latest, row.forgotten_run) if each is not None and each < at]
    return max(known) if known else _counted_from(row, at)


def previous_success(job: ClaimedJob, using: str) -> datetime | None:
    """The latest instant before the job's own for which a run of its schedule has succeeded. None: there is none."""
    if (planned := _planned(job, using)) is None or (at := job.scheduled_for) is None:
        return None
    runs = FinishedJob.objects.using(using).filter(schedule_id=planned.schedule, scheduled_for__lt=at)
    forgotten = Schedule.objects.using(using).filter(pk=planned.schedule, forgotten_success__lt=at)
    known = (_latest_success(runs), forgotten.values_list("forgotten_success", flat=True).first())
    latest = max(filter(None, known), default=None)
    failed = runs.exclude(state=FinishedState.SUCCEEDED)
    if latest is not None:
        failed = failed.filter(scheduled_for__gt=latest, finished_at__gte=latest)
    return max([each for each in (latest, *_retried_well(failed, using)) if each is not None], default=None)


# What retention takes away


def remember_runs(lines: Collection[int], using: str) -> None:
    """Before these lines of the ledger are pruned: of what runs next, the run before may be among them."""
    newer = Occurrence.objects.using(using).filter(
        schedule=OuterRef("schedule"),
        kind=Kind.NOMINAL,
        scheduled_for__gt=OuterRef("scheduled_for"),
        outcome__in=HAS_JOB,
    )
    going = Occurrence.objects.using(using).filter(pk__in=lines, kind=Kind.NOMINAL, outcome__in=HAS_JOB)
    newest = going.filter(schedule__run_at=None).exclude(Exists(newer))
    _remember("forgotten_run", newest.values_list("schedule_id", "scheduled_for"), using)


def remember_successes(jobs: Collection[int], using: str) -> None:
    """Before these jobs of history are pruned: the newest success of a schedule may be among them.

    One that ended later is newer only if its instant is not earlier: it may have been filled in.
    """
    newer = FinishedJob.objects.using(using).filter(
        schedule_id=OuterRef("schedule_id"),
        finished_at__gt=OuterRef("finished_at"),
        scheduled_for__gte=OuterRef("scheduled_for"),
        state=FinishedState.SUCCEEDED,
    )
    going = FinishedJob.objects.using(using).filter(
        pk__in=jobs, state=FinishedState.SUCCEEDED, schedule_id__isnull=False, scheduled_for__isnull=False
    )
    newest = going.exclude(Exists(newer))
    _remember("forgotten_success", newest.values_list("schedule_id", "scheduled_for"), using)


def _remember(column: str, found: Any, using: str) -> None:
    """One by one, so that no two rows are locked together. What was remembered stays where it is later."""
    for schedule, at in found:
        earlier = Q(**{column: None}) | Q(**{f"{column}__lt": at})
        Schedule.objects.using(using).filter(earlier, RECURS, pk=schedule).update(**{column: at})


# Which run it is, and where the first one begins


def _counted_from(row: Schedule, at: datetime) -> datetime:
    """Where the schedule began to count. What is filled in for the time before that begins an occurrence earlier."""
    began = max(row.created_at, row.starts_at or row.created_at)
    if began < at:
        return began
    with suppress(*UNREADABLE):
        return row.recurrence.latest(at - LONGEST_PERIOD, at - TICK) or at
    return at


def _planned(job: ClaimedJob, using: str) -> _Planned | None:
    """A job that somebody has retried by hand is of no schedule itself: it repeats one that is."""
    if job.schedule_id is not None:
        return _Planned(job.id, job.schedule_id)
    before = Job.objects.using(using).filter(pk=job.id).values_list("retry_of", flat=True).first()
    for _ in range(MOST_RETRIES):
        row = FinishedJob.objects.using(using).filter(pk=before or 0).values_list("schedule_id", "retry_of").first()
        if row is None:
            break
        if row[0] is not None:
            return _Planned(before or 0, row[0])
        before = row[1]
    return None


def _nominal(schedule: int, using: str) -> QuerySet[Occurrence]:
    return Occurrence.objects.using(using).filter(schedule=schedule, kind=Kind.NOMINAL)


# Which of them has succeeded


def _latest_success(runs: QuerySet[FinishedJob]) -> datetime | None:
    """The latest by its instant. None that ended before the instant of another can be later than that one."""
    succeeded = runs.filter(state=FinishedState.SUCCEEDED)
    last = succeeded.order_by("-finished_at").values_list("scheduled_for", flat=True).first()
    if last is None:
        return None
    latest: datetime | None = succeeded.filter(finished_at__gte=last).aggregate(latest=Max("scheduled_for"))["latest"]
    return latest


def _retried_well(failed: QuerySet[FinishedJob], using: str) -> Iterator[datetime]:
    """The instants of those that a retry by hand has mended, or a retry of that retry, and so on."""
    instants: dict[int, datetime | None] = dict(failed.values_list("pk", "scheduled_for"))
    for _ in range(MOST_RETRIES):
        if not instants:
            return
        following = dict[int, datetime | None]()
        for some in portions(list(instants), PORTION):
            retries = FinishedJob.objects.using(using).filter(retry_of__in=some)
            for id, retry_of, state in retries.values_list("pk", "retry_of", "state"):
                at = instants[retry_of or 0]
                if state == FinishedState.SUCCEEDED and at is not None:
                    yield at
                following[id] = at
        instants = following
