"""What `list_schedule` writes on a terminal or into a pipe: the list, and the verdict for a monitor.

It decides on columns and words. `overview` decides what there is to show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from schedules.commandline.columns import Cell, Column, Row, hanging, laid_out, wrapped
from schedules.commandline.look import Look
from schedules.commandline.moments import moment
from schedules.commandline.terminal import Screen, clean, coloured, count
from schedules.models import Status
from schedules.overview import MOST_COUNTED, MOST_RUNNING
from schedules.overview.values import LATE, Health, NextRun, Overview, PendingJob, RunningJob, Upcoming
from worker.messages.durations import ago, left
from worker.signs import Tone, sign_of

MOST_PROBLEMS = 10
SCHEDULES = (
    Column("NEXT", least=20, turn=4),
    Column("LEFT"),
    Column("LAST", spared=1),
    Column("PASSED", spared=2),
    Column("RESULT", least=8, turn=2),
    Column("SCHEDULE", least=16, turn=3, dotted=True),
    Column("WHEN", least=12, turn=1, spared=3),
)
RUNNING = (
    Column("SINCE", spared=3),
    Column("STATE"),
    Column("ATTEMPT", spared=1),
    Column("QUEUE", least=8, turn=2, spared=2),
    Column("JOB"),
    Column("TASK", least=16, turn=3, dotted=True),
    Column("PROGRESS", least=12, turn=1, optional=True),
)
JOBS = (
    Column("NEXT"),
    Column("LEFT"),
    Column("ATTEMPTS", spared=1),
    Column("QUEUE", least=8, turn=1, spared=2),
    Column("JOB"),
    Column("TASK", least=20, turn=2, dotted=True),
)


def listing(overview: Overview, look: Look, *, empty: str) -> Iterator[str]:
    """The lines of the list, with all runs that the overview has; `empty`: what to say when there is nothing."""
    rows = [row for each in overview.schedules for row in _schedule_rows(each, look, overview.now)]
    if not (overview.schedules or overview.running or overview.jobs):
        yield from [empty, ""]
    if rows:
        yield from laid_out(SCHEDULES, rows, look.screen)
    if overview.running:
        yield from ["", *_running_lines(overview, look)]
    if overview.jobs:
        yield from ["", *_job_lines(overview, look)]
    if rows or overview.running or overview.jobs:
        yield ""
    yield from wrapped(_footer(overview, look), look.screen, indent=0)
    for problem in overview.problems[:MOST_PROBLEMS]:
        for line in hanging("! ", clean(problem.message), look.screen):
            yield coloured(line, Tone.BAD, look.screen)
    if len(overview.problems) > MOST_PROBLEMS:
        yield f"! {len(overview.problems) - MOST_PROBLEMS} more: list_schedule --check"


def verdict(health: Health, screen: Screen) -> Iterator[str]:
    """For a monitor: the reasons for concern, or that there are none."""
    if health.problems:
        for problem in health.problems:
            yield from hanging(f"{problem.code}: ", clean(problem.message), screen)
        return
    sentence = [_counted(health.schedules)]
    if health.leader is not None:
        sentence.append(f"leader {clean(health.leader.name)}")
    if health.next_run is not None:
        name, at = health.next_run
        sentence.append(f"next run in {left(at - health.now)} ({clean(name)})")
    yield from hanging("OK: ", f"{', '.join(sentence)}.", screen)


def _counted(schedules: int) -> str:
    return count(schedules, "schedule") if schedules <= MOST_COUNTED else f"more than {MOST_COUNTED:,} schedules"


def _schedule_rows(schedule: Upcoming, look: Look, now: datetime) -> Iterator[Row]:
    last = schedule.last_run
    zone = look.zone_of(schedule)
    yield (
        _next_cell(schedule.next_runs[:1], zone, look, now),
        _left_cell(schedule, now, look),
        Cell(look.dash if last is None else look.moment(last.at, zone, now)),
        Cell(look.dash if last is None else ago(now - last.at)),
        Cell(look.dash) if last is None else look.result(last.outcome, last.reason, last.duration),
        Cell(clean(schedule.name)),
        Cell(_when(schedule, look)),
    )
    for run in schedule.next_runs[1:]:
        when = _next_cell([run], zone, look, now)
        yield (when, Cell(left(run.at - now)), Cell(), Cell(), Cell(), Cell(), Cell(run.note or ""))


def _next_cell(runs: Sequence[NextRun], zone: str, look: Look, now: datetime) -> Cell:
    return Cell(look.moment(runs[0].at, zone, now) if runs else look.dash)


def _left_cell(schedule: Upcoming, now: datetime, look: Look) -> Cell:
    at, since = schedule.next_run_at, schedule.overdue_since
    if schedule.status != Status.ACTIVE:
        return Cell(schedule.status, sign_of(schedule.status).tone)
    if since is not None and now - since > LATE:
        return Cell(f"late {left(now - since).split()[0]}", sign_of("late").tone)
    if at is None:
        return Cell(look.dash)
    return Cell(left(at - now) if at > now else "due")


def _when(schedule: Upcoming, look: Look) -> str:
    parts = [schedule.description]
    if schedule.next_runs and schedule.next_runs[0].note:
        parts.append(schedule.next_runs[0].note)
    if schedule.broken:
        parts.append(schedule.broken)
    if schedule.pause is not None:
        by = f" ({schedule.pause.by})" if schedule.pause.by else ""
        parts.append(f"{schedule.pause.reason}{by}".strip())
    return look.joined(*parts)


def _running_lines(overview: Overview, look: Look) -> Iterator[str]:
    yield from laid_out(RUNNING, [_running_row(job, look, overview.now) for job in overview.running], look.screen)
    if len(overview.running) == MOST_RUNNING:
        told = f"Only the {MOST_RUNNING} that have run longest are shown. See all: jobs --state running"
        yield from wrapped(told, look.screen, indent=0)


def _running_row(job: RunningJob, look: Look, now: datetime) -> Row:
    return (
        Cell(moment(job.started_at, look.timezone, now)),
        look.result("running", "", max(0.0, (now - job.started_at).total_seconds())),
        Cell(f"{job.attempt} of {job.max_attempts}"),
        Cell(clean(job.queue)),
        Cell(f"#{job.id}"),
        Cell(clean(job.schedule or job.verbose_name or job.task)),
        Cell(look.progress(job.progress, job.attempt)),
    )


def _job_lines(overview: Overview, look: Look) -> Iterator[str]:
    """Below jobs that are stuck stands why, once where it is the same for one after the other."""
    head, *lines = laid_out(JOBS, [_job_row(job, look, overview.now) for job in overview.jobs], look.screen)
    yield head
    following = [*(job.hindered for job in overview.jobs[1:]), ""]
    for job, line, next_one in zip(overview.jobs, lines, following, strict=True):
        yield line
        if job.hindered and job.hindered != next_one:
            for words in hanging("  ! ", clean(job.hindered), look.screen):
                yield coloured(words, Tone.CONCERN, look.screen)


def _job_row(job: PendingJob, look: Look, now: datetime) -> Row:
    return (
        Cell(moment(job.run_at, look.timezone, now)),
        _left_of_job(job, now),
        Cell(str(job.attempts) if job.attempts else look.dash),
        Cell(clean(job.queue)),
        Cell(f"#{job.id}"),
        Cell(clean(job.schedule or job.verbose_name or job.task)),
    )


def _left_of_job(job: PendingJob, now: datetime) -> Cell:
    if job.hindered:
        return Cell("stuck", sign_of("late").tone)
    return Cell(left(job.run_at - now) if job.run_at > now else "due")


def _footer(overview: Overview, look: Look) -> str:
    counts = [count(len(overview.schedules), "schedule")]
    paused = sum(each.status == Status.PAUSED for each in overview.schedules)
    failing = sum(problem.code == "failing" for problem in overview.problems)
    counts += [f"{number} {word}" for number, word in ((paused, "paused"), (failing, "failing")) if number]
    zone = f"Times in {look.timezone}{'' if look.converts else ' unless marked'}."
    if overview.leader is None:
        return f"{', '.join(counts)}. {zone} No leader."
    leader = f"Leader {clean(overview.leader.name)}, renewed {ago(overview.now - overview.leader.renewed_at)}."
    return f"{', '.join(counts)}. {zone} {leader}"
