"""What `jobs` writes: a line for each job, on a terminal or in a pipe, or the object of its `--json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from schedules.commandline.columns import Cell, Column, Row, laid_out, wrapped
from schedules.commandline.contract import VERSION, Object, dumped, instant, progress
from schedules.commandline.look import Look
from schedules.commandline.moments import moment
from schedules.commandline.terminal import clean
from worker import masking
from worker.current.progress import Progress
from worker.instants import is_real
from worker.messages.durations import ago, left, took
from worker.models import FinishedJob, Job
from worker.signs import sign_of

COLUMNS = (
    Column("JOB"),
    Column("STATE"),
    Column("WHEN"),
    Column("PASSED", spared=2),
    Column("TOOK", spared=3),
    Column("ATTEMPTS", spared=1),
    Column("QUEUE", least=8, turn=2, spared=4),
    Column("TASK", least=16, turn=3, dotted=True),
    Column("PROGRESS", least=12, turn=4, spared=6, optional=True),
    Column("WHY", least=12, turn=1, spared=5),
)
Names = Mapping[int, str]
"""Of schedules, by their ids."""
HowFar = Mapping[int, Progress]
"""By the id of the job."""


def lines(
    jobs: Sequence[Job | FinishedJob], names: Names, told: HowFar, look: Look, now: datetime, *, most: int
) -> Iterator[str]:
    """The newest first. `most`: how many were asked for."""
    yield from laid_out(COLUMNS, [_row(job, names, told, look, now) for job in jobs], look.screen)
    yield ""
    more = f" Only the newest {most} are shown: --limit shows more." if len(jobs) == most else ""
    yield from wrapped(f"Times in {look.timezone}.{more}", look.screen, indent=0)


def listing(jobs: Sequence[Job | FinishedJob], names: Names, told: HowFar, now: datetime) -> str:
    """The fields of docs/reference/commands.md, and no others."""
    return dumped({"version": VERSION, "now": instant(now), "jobs": [_object(job, names, told) for job in jobs]})


def _row(job: Job | FinishedJob, names: Names, told: HowFar, look: Look, now: datetime) -> Row:
    at, sign = _at(job), sign_of(job.state)
    name = job.verbose_name or names.get(job.schedule_id or 0) or job.task
    return (
        Cell(f"#{job.pk}"),
        Cell(f"{sign.glyph} {job.state}" if look.screen.glyphs else job.state, sign.tone),
        Cell(moment(at, look.timezone, now)),
        Cell(_passed(at, now) if is_real(at) else look.dash),
        Cell(_took(job) or look.dash),
        Cell(f"{job.attempts} of {job.max_attempts}"),
        Cell(clean(job.queue)),
        Cell(clean(name)),
        Cell(look.progress(told.get(job.pk), job.attempts + 1)),
        Cell(clean(masking.line(job.reason)) if isinstance(job, FinishedJob) else ""),
    )


def _at(job: Job | FinishedJob) -> datetime:
    """When it ended, or began, or may begin."""
    return job.finished_at if isinstance(job, FinishedJob) else job.claimed_at or job.run_at


def _passed(at: datetime, now: datetime) -> str:
    return f"in {left(at - now)}" if at > now else ago(now - at)


def _took(job: Job | FinishedJob) -> str:
    if not isinstance(job, FinishedJob) or job.started_at is None:
        return ""
    return took(max(0.0, (job.finished_at - job.started_at).total_seconds()))


def _object(job: Job | FinishedJob, names: Names, told: HowFar) -> Object:
    """What only a finished job has is null before."""
    return {
        "id": job.pk,
        "state": job.state,
        "task": job.task,
        "verbose_name": job.verbose_name or None,
        "queue": job.queue,
        "priority": job.priority,
        "schedule": None if job.schedule_id is None else names.get(job.schedule_id),
        "scheduled_for": instant(job.scheduled_for),
        "creator": job.creator or None,
        "enqueued_at": instant(job.enqueued_at),
        "run_at": instant(job.run_at),
        "started_at": instant(job.started_at if isinstance(job, FinishedJob) else job.claimed_at),
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "retry_of": job.retry_of,
        "progress": progress(told.get(job.pk)),
        **(_end(job) if isinstance(job, FinishedJob) else _NO_END),
    }


def _end(job: FinishedJob) -> Object:
    return {
        "finished_at": instant(job.finished_at),
        "reason": masking.line(job.reason) or None,
        "worker": job.worker or None,
        "retried_at": instant(job.retried_at),
    }


_NO_END: Object = dict.fromkeys(("finished_at", "reason", "worker", "retried_at"))
