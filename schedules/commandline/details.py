"""What is written about one schedule, and about an expression that is only tried out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime

from schedules.commandline.columns import Cell, Column, Row, hanging, laid_out, wrapped
from schedules.commandline.look import Look
from schedules.commandline.moments import full_moment, moment, stretch
from schedules.commandline.terminal import Screen, bold, clean
from schedules.overview.values import HistoryLine, NextRun, RunningJob, Upcoming
from schedules.recurrence import ClockChange, Cron
from worker import masking
from worker.arguments import InvalidArguments, stored_json
from worker.arguments.sealed import CannotDecode
from worker.messages.durations import ago, left

HISTORY = (
    Column("SCHEDULED FOR", least=23, turn=3),
    Column("RESULT", least=8, turn=2),
    Column("JOB", spared=1),
    Column("WHY", least=16, turn=1),
)


def details(
    schedule: Upcoming, history: Sequence[HistoryLine], running: Sequence[RunningJob], look: Look, now: datetime
) -> Iterator[str]:
    """The lines about one schedule: what it is, what of it runs, when it runs next, what became of its last runs."""
    yield bold(clean(schedule.name), look.screen)
    for label, text in (*_facts(schedule, look, now), *(("Running", _running(job, look, now)) for job in running)):
        yield from hanging(f"  {label:<12}", clean(text), look.screen)
    yield from ["", "  Next runs", *_next_lines(schedule, look, now)]
    yield from ["", "  Last runs"]
    if not history:
        yield "    None yet."
        return
    rows = [_history_row(line, look.zone_of(schedule), look, now) for line in history]
    yield from (f"    {line}" for line in laid_out(HISTORY, rows, look.screen, indent=4))


def preview(
    cron: Cron, description: str, runs: Sequence[NextRun], changes: Sequence[ClockChange], look: Look, now: datetime
) -> Iterator[str]:
    """The lines about an expression; `changes`: of the clock, that it meets within a year."""
    yield from (bold(line, look.screen) for line in wrapped(description, look.screen, indent=0))
    yield f"  {cron.expression}   {cron.timezone}"
    yield ""
    yield from _run_lines(runs, cron.timezone, now, look.screen, indent=2)
    if changes:
        yield from ["", "  Changes of the clock that it meets within a year"]
        for change in changes:
            yield from hanging(f"  {full_moment(change.instant, cron.timezone)}   ", change.effect, look.screen)


def _facts(schedule: Upcoming, look: Look, now: datetime) -> Iterator[tuple[str, str]]:
    yield "When", schedule.description
    yield "Recurrence", f"{schedule.expression} in {schedule.timezone}"
    yield "Task", f"{schedule.task}, arguments {_arguments(schedule)}"
    yield "Queue", schedule.queue
    yield "From", ", ".join(filter(None, [schedule.source, schedule.declared_in]))
    yield "Status", schedule.status if schedule.id else f"{schedule.status}, not yet in the database"
    if schedule.broken:
        yield "Broken", schedule.broken
    if pause := schedule.pause:
        zone = look.zone_of(schedule)
        until = f" until {full_moment(pause.until, zone)}" if pause.until else ""
        by = f" by {pause.by}" if pause.by else ""
        yield "Paused", f"{ago(now - pause.since)}{by}{until}{': ' if pause.reason else ''}{pause.reason}"
    if schedule.is_overruled:
        yield "Declared", f"with enabled = {schedule.enabled}; an operator decided otherwise, and that holds"


def _running(job: RunningJob, look: Look, now: datetime) -> str:
    which = f"#{job.id} for {left(now - job.started_at)}, attempt {job.attempt} of {job.max_attempts}"
    when = f"told {ago(now - job.progress.at)}" if job.progress else ""
    return look.joined(which, look.progress(job.progress, job.attempt), when)


def _arguments(schedule: Upcoming) -> str:
    try:
        return json.dumps(masking.arguments(schedule.task, *stored_json(schedule.arguments)), separators=(",", ":"))
    except CannotDecode:
        return "that are encoded and cannot be decoded here"
    except InvalidArguments:
        return "that cannot be read"


def _next_lines(schedule: Upcoming, look: Look, now: datetime) -> Iterator[str]:
    if not schedule.next_runs:
        yield "    None."
    yield from _run_lines(schedule.next_runs, look.zone_of(schedule), now, look.screen, indent=4)


def _run_lines(runs: Sequence[NextRun], zone: str, now: datetime, screen: Screen, *, indent: int) -> Iterator[str]:
    for run in runs:
        distance = f"in {left(run.at - now)}" if run.at > now else ago(now - run.at)
        label = f"{' ' * indent}{full_moment(run.at, zone)}   {distance:<10}"
        yield from (line.rstrip() for line in hanging(label, run.note or "", screen))


def _history_row(line: HistoryLine, zone: str, look: Look, now: datetime) -> Row:
    when = moment(line.scheduled_for, zone, now)
    if line.scheduled_until is not None:
        when = f"{stretch(line.scheduled_for, line.scheduled_until, zone, now, dash=look.dash)} ({line.count})"
    by_hand = "by hand" if line.kind == "manual" and not line.reason else ""
    return (
        Cell(when),
        look.result(line.outcome, line.reason, line.duration),
        Cell(look.dash if line.job_id is None else f"#{line.job_id}"),
        Cell(clean(line.reason) or by_hand),
    )
