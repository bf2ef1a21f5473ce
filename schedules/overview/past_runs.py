"""How runs ended: the last one of each schedule, and the history of a single one.

The ledger knows which instants got a job, the queue what became of it; here the two are put together. It only reads.
Reasons come without secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from schedules.models import Instant, Kind, Occurrence, ScheduleQuerySet
from schedules.occurrences.jobs import lane_of
from schedules.overview.hindrances import hindrances
from schedules.overview.values import HistoryLine, PastRun
from schedules.recurrence.instants import TICK
from worker import masking
from worker.dialects.portions import portions
from worker.instants import LAST
from worker.models import FinishedJob, FinishedState, Job, JobState
from worker.outcomes import read_error
from worker.queue import UNSTARTED
from worker.serving import living_workers

MOST_HISTORY = 10
MOST_KEYS = 500
"""In one statement."""
RETRYING = "retrying"
"""The outcome of a run that failed and will be tried again."""


def with_newest(rows: ScheduleQuerySet, now: Instant) -> ScheduleQuerySet:
    """The rows, each with the keys of its newest finished job and its newest line.

    Both are looked up by an index, however long the history is.
    """
    of_it = Q(schedule_id=OuterRef("pk"))
    finished = FinishedJob.objects.filter(of_it, finished_at__lt=LAST).order_by("-finished_at")
    lines = Occurrence.objects.filter(of_it, kind=Kind.NOMINAL, scheduled_for__lte=now).order_by("-scheduled_for")
    return rows.annotate(
        newest_finished=Subquery(finished.values("pk")[:1]),
        newest_line=Subquery(lines.values("pk")[:1]),
    )


def last_runs(using: str, rows: Sequence[Any], now: datetime) -> Mapping[int, PastRun]:
    """By the key of a row: its newest run; where there is none, the newest instant that was decided on.

    Of a success that history does not keep, the schedule itself knows. `rows`: as `with_newest` reads them.
    """
    newest = _newest_jobs(using, rows)
    ran = {
        row.pk: _unkept_success(row, newest[row.pk].scheduled_for) or _past_run(newest[row.pk], now)
        for row in rows
        if row.pk in newest
    }
    lines = {row.newest_line: row for row in rows if row.pk not in ran and row.newest_line is not None}
    decided = Occurrence.objects.using(using)
    found = [line for some in portions(list(lines), MOST_KEYS) for line in decided.filter(pk__in=some)]
    return ran | {
        lines[line.pk].pk: _unkept_success(lines[line.pk], line.scheduled_for - TICK)
        or PastRun(line.scheduled_for, line.outcome, masking.text(line.reason))
        for line in found
    }


def _unkept_success(row: Any, since: datetime | None) -> PastRun | None:
    """A run after that instant of which the schedule remembers that it has succeeded."""
    if since is None or row.forgotten_success is None or row.forgotten_success <= since:
        return None
    return PastRun(row.forgotten_success, FinishedState.SUCCEEDED.value)


def history(using: str, schedule_id: int, now: datetime) -> tuple[HistoryLine, ...]:
    """The newest lines of the schedule's ledger with what became of their jobs, the newest first."""
    ledger = Occurrence.objects.using(using).filter(schedule=schedule_id).order_by("-scheduled_for", "-pk")
    lines = list(ledger[:MOST_HISTORY])
    keys = [line.job_id for line in lines if line.job_id is not None]
    jobs = _read(FinishedJob.objects.using(using).filter(pk__in=keys), Job.objects.using(using).filter(pk__in=keys))
    runs: dict[int | None, PastRun] = {job.id: _past_run(job, now) for job in jobs}
    hindered = _hindered(using, [key for key, run in runs.items() if run.outcome in UNSTARTED and key], now)
    return tuple(_history_line(line, runs.get(line.job_id), hindered.get(line.job_id or 0, "")) for line in lines)


def _hindered(using: str, keys: Sequence[int], now: datetime) -> Mapping[int, str]:
    """Of jobs that nobody has started yet: what keeps them from that."""
    jobs = list(Job.objects.using(using).filter(pk__in=keys)) if keys else []
    return hindrances(jobs, living_workers(using, now), now) if jobs else {}


class _Job(NamedTuple):
    """What a job tells of a run, whether it is finished or not."""

    id: int
    schedule_id: int | None
    state: str
    attempts: int
    words: str
    """The reason of one that is finished, else the errors so far."""
    scheduled_for: datetime | None
    started_at: datetime | None
    at: datetime
    """When it finished, or when it may run."""


_OF_FINISHED = ("pk", "schedule_id", "state", "attempts", "reason", "scheduled_for", "started_at", "finished_at")
_OF_LIVE = ("pk", "schedule_id", "state", "attempts", "errors", "scheduled_for", "claimed_at", "run_at")


def _newest_jobs(using: str, rows: Sequence[Any]) -> dict[int | None, _Job]:
    """By the key of a row: the newest of its jobs that was started. One that is not finished is found by its lane."""
    live = Job.objects.using(using)
    started = live.filter(Q(state=JobState.RUNNING) | Q(attempts__gt=0)).order_by()
    newest: dict[int | None, _Job] = {}
    for some in portions(rows, MOST_KEYS):
        ended = FinishedJob.objects.using(using).filter(pk__in=[row.newest_finished for row in some])
        last = started.filter(lane__in=[lane_of(row.pk) for row in some]).values("lane").annotate(newest=Max("pk"))
        for job in _read(ended, live.filter(pk__in=last.values("newest"))):
            if job.schedule_id not in newest or job.id > newest[job.schedule_id].id:
                newest[job.schedule_id] = job
    return newest


def _read(finished: QuerySet[FinishedJob], live: QuerySet[Job]) -> Iterator[_Job]:
    """Of both tables in one statement."""
    both = finished.order_by().values_list(*_OF_FINISHED).union(live.order_by().values_list(*_OF_LIVE), all=True)
    return map(_Job._make, both)


def _past_run(job: _Job, now: datetime) -> PastRun:
    at = job.started_at or job.scheduled_for or job.at
    if job.state not in JobState.values:
        duration = None if job.started_at is None else (job.at - job.started_at).total_seconds()
        return PastRun(at, job.state, masking.text(job.words), duration, job.id)
    if job.state == JobState.RUNNING:
        return PastRun(at, job.state, duration=(now - at).total_seconds(), job_id=job.id)
    if not job.words:
        return PastRun(job.scheduled_for or job.at, RETRYING if job.attempts else job.state, job_id=job.id)
    error = read_error(job.words.splitlines()[-1], otherwise_at=at)
    reason = masking.text(f"{error['kind']}: {error['message']}")
    return PastRun(datetime.fromisoformat(error["at"]), RETRYING, reason, job_id=job.id)


def _history_line(line: Occurrence, run: PastRun | None, hindered: str) -> HistoryLine:
    reason = "; ".join(filter(None, [masking.text(line.reason), hindered]))
    has_started = run is not None and run.duration is not None
    return HistoryLine(
        scheduled_for=line.scheduled_for,
        scheduled_until=line.scheduled_until,
        count=line.count,
        kind=line.kind,
        outcome=line.outcome if run is None else run.outcome,
        reason=reason if run is None or not run.reason else run.reason,
        job_id=line.job_id,
        started_at=run.at if run is not None and has_started else None,
        duration=None if run is None else run.duration,
    )
