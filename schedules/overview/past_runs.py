"""How runs ended: the last one of each schedule, and the history of a single one.

The ledger knows which instants got a job, the queue what became of it; here the two are put together. It only reads.
Reasons come without secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from schedules.models import Instant, Kind, Occurrence, ScheduleQuerySet
from schedules.occurrences.jobs import lane_of
from schedules.overview.values import HistoryLine, PastRun
from worker import masking
from worker.dialects.portions import portions
from worker.models import FinishedJob, Job, JobState

MOST_HISTORY = 10
MOST_KEYS = 500
"""In one statement."""
ENDS = ("state", "reason", "scheduled_for", "started_at", "finished_at")
"""What is read of a finished job."""
RETRYING = "retrying"
"""The outcome of a run that failed and will be tried again."""


def with_newest(rows: ScheduleQuerySet, now: Instant) -> ScheduleQuerySet:
    """The rows, each with the keys of its newest finished job and its newest line.

    Both are looked up by an index, however long the history is.
    """
    of_it = Q(schedule_id=OuterRef("pk"))
    finished = FinishedJob.objects.filter(of_it).order_by("-finished_at")
    lines = Occurrence.objects.filter(of_it, kind=Kind.NOMINAL, scheduled_for__lte=now).order_by("-scheduled_for")
    return rows.annotate(
        newest_finished=Subquery(finished.values("pk")[:1]),
        newest_line=Subquery(lines.values("pk")[:1]),
    )


def last_runs(using: str, rows: Sequence[Any], now: datetime) -> Mapping[int, PastRun]:
    """By the key of a row: its newest run; where there is none, the newest instant that was decided on.

    `rows`: as `with_newest` reads them.
    """
    finished = _by_key(FinishedJob.objects.using(using).only(*ENDS), rows, "newest_finished")
    started = _newest_started(using, rows)
    idle = [row for row in rows if row.newest_finished is None and row.pk not in started]
    lines = _by_key(Occurrence.objects.using(using), idle, "newest_line")
    found = {row.pk: _newest_run(row, finished, started, lines, now) for row in rows}
    return {key: run for key, run in found.items() if run is not None}


def history(using: str, schedule_id: int, now: datetime) -> tuple[HistoryLine, ...]:
    """The newest lines of the schedule's ledger with what became of their jobs, the newest first."""
    ledger = Occurrence.objects.using(using).filter(schedule=schedule_id).order_by("-scheduled_for", "-pk")
    lines = list(ledger[:MOST_HISTORY])
    jobs = [line.job_id for line in lines]
    finished = FinishedJob.objects.using(using).in_bulk(jobs)
    runs = {id: _run_of_live(job, now) for id, job in Job.objects.using(using).in_bulk(jobs).items()}
    runs |= {id: _run_of_finished(job) for id, job in finished.items()}
    return tuple(_history_line(line, runs.get(line.job_id)) for line in lines)


def _by_key(found: QuerySet[Any], rows: Iterable[Any], name: str) -> dict[int, Any]:
    keys = [key for row in rows if (key := getattr(row, name)) is not None]
    return {key: each for some in portions(keys, MOST_KEYS) for key, each in found.in_bulk(some).items()}


def _newest_started(using: str, rows: Iterable[Any]) -> dict[int | None, Job]:
    """By the key of a row: its newest job that was started and is not finished."""
    live = Job.objects.using(using)
    started = live.filter(Q(state=JobState.RUNNING) | Q(attempts__gt=0)).order_by()
    found: list[Job] = []
    for some in portions([lane_of(row.pk) for row in rows], MOST_KEYS):
        newest = [id for _, id in started.filter(lane__in=some).values_list("lane", Max("pk"))]
        found += live.defer("arguments").in_bulk(newest).values()
    return {job.schedule_id: job for job in found}


def _newest_run(
    row: Any,
    finished: Mapping[int, FinishedJob],
    started: Mapping[int | None, Job],
    lines: Mapping[int, Occurrence],
    now: datetime,
) -> PastRun | None:
    """A job that has moved on since its key was read is not among those found."""
    ended, live = finished.get(row.newest_finished), started.get(row.pk)
    if live is not None and (ended is None or live.pk > ended.pk):
        return _run_of_live(live, now)
    if ended is not None:
        return _run_of_finished(ended)
    line = lines.get(row.newest_line)
    return None if line is None else PastRun(line.scheduled_for, line.outcome, masking.text(line.reason))


def _run_of_live(job: Job, now: datetime) -> PastRun:
    if job.state == JobState.RUNNING and job.claimed_at is not None:
        return PastRun(job.claimed_at, job.state, duration=(now - job.claimed_at).total_seconds(), job_id=job.pk)
    if job.errors:
        error = job.error_list[-1]
        reason = masking.text(f"{error['kind']}: {error['message']}")
        return PastRun(datetime.fromisoformat(error["at"]), RETRYING, reason, job_id=job.pk)
    return PastRun(job.scheduled_for or job.run_at, RETRYING if job.attempts else job.state, job_id=job.pk)


def _run_of_finished(job: FinishedJob) -> PastRun:
    reason = masking.text(job.reason)
    if job.started_at is None:
        return PastRun(job.scheduled_for or job.finished_at, job.state, reason, job_id=job.pk)
    duration = (job.finished_at - job.started_at).total_seconds()
    return PastRun(job.started_at, job.state, reason, duration, job.pk)


def _history_line(line: Occurrence, run: PastRun | None) -> HistoryLine:
    has_started = run is not None and run.duration is not None
    return HistoryLine(
        scheduled_for=line.scheduled_for,
        scheduled_until=line.scheduled_until,
        count=line.count,
        kind=line.kind,
        outcome=line.outcome if run is None else run.outcome,
        reason=masking.text(line.reason) if run is None or not run.reason else run.reason,
        job_id=line.job_id,
        started_at=run.at if run is not None and has_started else None,
        duration=None if run is None else run.duration,
    )
