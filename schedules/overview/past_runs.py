"""How runs ended: the last one of each schedule, and the history of a single one.

The ledger knows which instants got a job, the queue what became of it; here the two are put together. It only reads.
Reasons come without secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Q, Subquery

from schedules.models import Kind, Occurrence, Schedule
from worker import masking
from worker.models import FinishedJob, Job, JobState

MOST_HISTORY = 10
RETRYING = "retrying"
"""The outcome of a run that failed and will be tried again."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run: when it started, or was to start, and what became of it."""

    at: datetime
    outcome: str
    reason: str = ""
    duration: float | None = None
    """Seconds; of a run that goes on, until now. None: it never started."""


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """A line of the ledger, and what became of its job."""

    scheduled_for: datetime
    scheduled_until: datetime | None
    count: int
    kind: str
    outcome: str
    """Of the job, where its line has one that is known; else of the line."""
    reason: str
    job_id: int | None
    started_at: datetime | None
    duration: float | None


@dataclass(frozen=True, slots=True)
class Newest:
    """By the key of a schedule: its newest finished job, its newest job that was started, its newest line."""

    finished: Mapping[int | None, FinishedJob]
    started: Mapping[int | None, Job]
    lines: Mapping[int, Occurrence]

    def run_of(self, schedule_id: int, now: datetime) -> PastRun | None:
        """The newest run; where there is none, the newest instant that was decided on."""
        finished, started = self.finished.get(schedule_id), self.started.get(schedule_id)
        if started is not None and (finished is None or started.pk > finished.pk):
            return _run_of_live(started, now)
        if finished is not None:
            return _run_of_finished(finished)
        line = self.lines.get(schedule_id)
        return None if line is None else PastRun(line.scheduled_for, line.outcome, line.reason)


def newest(using: str, now: datetime) -> Newest:
    """Of all schedules. Each of the three is looked up by an index, however long the history is."""
    of_it = Q(schedule_id=OuterRef("pk"))
    finished = FinishedJob.objects.filter(of_it).order_by("-finished_at")
    started = Job.objects.filter(of_it, Q(state=JobState.RUNNING) | Q(attempts__gt=0)).order_by("-pk")
    lines = Occurrence.objects.filter(of_it, kind=Kind.NOMINAL, scheduled_for__lte=now).order_by("-scheduled_for")
    ids = list(
        Schedule.objects.using(using).values_list(
            Subquery(finished.values("pk")[:1]), Subquery(started.values("pk")[:1]), Subquery(lines.values("pk")[:1])
        )
    )
    return Newest(
        {job.schedule_id: job for job in FinishedJob.objects.using(using).in_bulk([id for id, _, _ in ids]).values()},
        {job.schedule_id: job for job in Job.objects.using(using).in_bulk([id for _, id, _ in ids]).values()},
        {line.schedule_id: line for line in Occurrence.objects.using(using).in_bulk([id for _, _, id in ids]).values()},
    )


def history(using: str, schedule_id: int, now: datetime) -> tuple[HistoryLine, ...]:
    """The newest lines of the schedule's ledger with what became of their jobs, the newest first."""
    ledger = Occurrence.objects.using(using).filter(schedule=schedule_id).order_by("-scheduled_for", "-pk")
    lines = list(ledger[:MOST_HISTORY])
    jobs = [line.job_id for line in lines]
    finished = FinishedJob.objects.using(using).in_bulk(jobs)
    runs = {id: _run_of_live(job, now) for id, job in Job.objects.using(using).in_bulk(jobs).items()}
    runs |= {id: _run_of_finished(job) for id, job in finished.items()}
    return tuple(_history_line(line, runs.get(line.job_id)) for line in lines)


def _run_of_live(job: Job, now: datetime) -> PastRun:
    if job.state == JobState.RUNNING and job.claimed_at is not None:
        return PastRun(job.claimed_at, job.state, duration=(now - job.claimed_at).total_seconds())
    if job.attempts:
        error = job.error_list[-1] if job.errors else None
        return PastRun(job.run_at, RETRYING, masking.text(f"{error['kind']}: {error['message']}") if error else "")
    return PastRun(job.run_at, job.state)


def _run_of_finished(job: FinishedJob) -> PastRun:
    reason = masking.text(job.reason)
    if job.started_at is None:
        return PastRun(job.scheduled_for or job.finished_at, job.state, reason)
    return PastRun(job.started_at, job.state, reason, (job.finished_at - job.started_at).total_seconds())


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
