"""What `list_schedule` writes on a terminal or into a pipe: tables and sentences, from the read model.

It decides on columns and words. What there is to show, and which of it, is decided elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from schedules.commandline.columns import Cell, Column, Row, laid_out
from schedules.commandline.moments import ago, city, full_moment, left, moment, took
from schedules.commandline.terminal import Screen, bold, clean, coloured, count
from schedules.models import Status
from schedules.overview import MOST_COUNTED
from schedules.overview.values import LATE, DelayedJob, Health, HistoryLine, NextRun, Overview, PastRun, Upcoming
from schedules.recurrence import ClockChange, Cron
from worker import masking
from worker.arguments import InvalidArguments, decode
from worker.signs import Tone, sign_of

MOST_PROBLEMS = 10
SCHEDULES = (
    Column("NEXT"),
    Column("LEFT"),
    Column("LAST"),
    Column("PASSED"),
    Column("RESULT", least=8, turn=2),
    Column("SCHEDULE", least=12, turn=1),
    Column("WHEN", least=12, turn=3),
)
JOBS = (
    Column("NEXT"),
    Column("LEFT"),
    Column("ATTEMPTS"),
    Column("QUEUE", least=8, turn=2),
    Column("JOB"),
    Column("TASK", least=20, turn=1),
)
HISTORY = (Column("SCHEDULED FOR"), Column("RESULT", least=8, turn=2), Column("JOB"), Column("WHY", least=20, turn=1))


@dataclass(frozen=True, slots=True)
class Look:
    """What the output can show, and in which zone."""

    timezone: str
    converts: bool
    """Whether all times are in that zone, also those of schedules that have another."""
    screen: Screen


# The list


def listing(overview: Overview, look: Look, *, empty: str) -> Iterator[str]:
    """The lines of the list, with all runs that the overview has; `empty`: what to say when there is nothing."""
    rows = [row for each in overview.schedules for row in _schedule_rows(each, look, overview.now)]
    if not (overview.schedules or overview.jobs):
        yield from [empty, ""]
    if rows:
        yield from laid_out(SCHEDULES, rows, look.screen)
    if overview.jobs:
        yield from ["", *laid_out(JOBS, [_job_row(job, look, overview.now) for job in overview.jobs], look.screen)]
    if rows or overview.jobs:
        yield ""
    yield _footer(overview, look)
    for problem in overview.problems[:MOST_PROBLEMS]:
        yield coloured(f"! {clean(problem.message)}", Tone.BAD, look.screen)
    if len(overview.problems) > MOST_PROBLEMS:
        yield f"! {len(overview.problems) - MOST_PROBLEMS} more: list_schedule --check"


def verdict(health: Health) -> Iterator[str]:
    """For a monitor: the reasons for concern, or that there are none."""
    if health.problems:
        yield from (f"{problem.code}: {clean(problem.message)}" for problem in health.problems)
        return
    sentence = [_counted(health.schedules)]
    if health.leader is not None:
        sentence.append(f"leader {clean(health.leader.name)}")
    if health.next_run is not None:
        name, at = health.next_run
        sentence.append(f"next run in {left(at - health.now)} ({clean(name)})")
    yield f"OK: {', '.join(sentence)}."


def _counted(schedules: int) -> str:
    return count(schedules, "schedule") if schedules <= MOST_COUNTED else f"more than {MOST_COUNTED:,} schedules"


def _schedule_rows(schedule: Upcoming, look: Look, now: datetime) -> Iterator[Row]:
    last = schedule.last_run
    zone = _zone_of(schedule, look)
    yield (
        _next_cell(schedule.next_runs[:1], zone, look, now),
        _left_cell(schedule, now, look),
        Cell(_dash(look) if last is None else _moment(last.at, zone, look, now)),
        Cell(_dash(look) if last is None else ago(now - last.at)),
        _result_cell(last, look),
        Cell(clean(schedule.name)),
        Cell(_when(schedule, look)),
    )
    for run in schedule.next_runs[1:]:
        when = _next_cell([run], zone, look, now)
        yield (when, Cell(left(run.at - now)), Cell(), Cell(), Cell(), Cell(), Cell(run.note or ""))


def _next_cell(runs: Sequence[NextRun], zone: str, look: Look, now: datetime) -> Cell:
    return Cell(_moment(runs[0].at, zone, look, now) if runs else _dash(look))


def _left_cell(schedule: Upcoming, now: datetime, look: Look) -> Cell:
    at, since = schedule.next_run_at, schedule.overdue_since
    if schedule.status != Status.ACTIVE:
        return Cell(schedule.status, sign_of(schedule.status).tone)
    if since is not None and now - since > LATE:
        return Cell(f"late {left(now - since).split()[0]}", sign_of("late").tone)
    if at is None:
        return Cell(_dash(look))
    return Cell(left(at - now) if at > now else "due")


def _result_cell(run: PastRun | None, look: Look) -> Cell:
    if run is None:
        return Cell(_dash(look))
    return Cell(_result(run.outcome, run.reason, run.duration, look), sign_of(run.outcome).tone)


def _result(outcome: str, reason: str, duration: float | None, look: Look) -> str:
    match outcome:
        case "succeeded" | "running" if duration is not None:
            detail = took(duration)
        case "failed" | "retrying":
            detail = clean(reason.partition(":")[0])
        case _:
            detail = ""
    word = {"succeeded": "ok"}.get(outcome, outcome.replace("_", " "))
    if not look.screen.glyphs:
        return f"{word} {detail}".strip()
    return f"{sign_of(outcome).glyph} {detail or word}"


def _when(schedule: Upcoming, look: Look) -> str:
    remarks = [schedule.description]
    if schedule.next_runs and schedule.next_runs[0].note:
        remarks.append(schedule.next_runs[0].note)
    if schedule.broken:
        remarks.append(schedule.broken)
    if schedule.pause is not None:
        by = f" ({schedule.pause.by})" if schedule.pause.by else ""
        remarks.append(f"{schedule.pause.reason}{by}".strip())
    return (" · " if look.screen.glyphs else " - ").join(clean(remark) for remark in remarks if remark)


def _job_row(job: DelayedJob, look: Look, now: datetime) -> Row:
    return (
        Cell(moment(job.run_at, look.timezone, now)),
        Cell(left(job.run_at - now) if job.run_at > now else "due"),
        Cell(str(job.attempts) if job.attempts else _dash(look)),
        Cell(clean(job.queue)),
        Cell(f"#{job.id}"),
        Cell(clean(job.schedule or job.verbose_name or job.task)),
    )


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


# One schedule


def details(schedule: Upcoming, history: Sequence[HistoryLine], look: Look, now: datetime) -> Iterator[str]:
    """The lines about one schedule: what it is, when it runs next, what became of its last runs."""
    yield bold(clean(schedule.name), look.screen)
    for label, text in _facts(schedule, look, now):
        yield f"  {label:<12}{clean(text)}"
    yield from ["", "  Next runs", *(f"    {line}" for line in _next_lines(schedule, look, now))]
    yield from ["", "  Last runs"]
    if not history:
        yield "    None yet."
        return
    rows = [_history_row(line, _zone_of(schedule, look), look) for line in history]
    yield from (f"    {line}" for line in laid_out(HISTORY, rows, look.screen, indent=4))


def preview(
    cron: Cron, description: str, runs: Sequence[NextRun], changes: Sequence[ClockChange], look: Look, now: datetime
) -> Iterator[str]:
    """The lines about an expression; `changes`: of the clock, that it meets within a year."""
    yield bold(description, look.screen)
    yield f"  {cron.expression}   {cron.timezone}"
    yield ""
    yield from (f"  {line}" for line in _run_lines(runs, cron.timezone, now))
    if changes:
        yield from ["", "  Changes of the clock that it meets within a year"]
        yield from (f"  {full_moment(change.instant, cron.timezone)}   {change.effect}" for change in changes)


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
        zone = _zone_of(schedule, look)
        until = f" until {full_moment(pause.until, zone)}" if pause.until else ""
        by = f" by {pause.by}" if pause.by else ""
        yield "Paused", f"{ago(now - pause.since)}{by}{until}{': ' if pause.reason else ''}{pause.reason}"


def _arguments(schedule: Upcoming) -> str:
    try:
        return json.dumps(masking.arguments(schedule.task, *decode(schedule.arguments)), separators=(",", ":"))
    except InvalidArguments:
        return "that cannot be read"


def _next_lines(schedule: Upcoming, look: Look, now: datetime) -> Iterator[str]:
    if not schedule.next_runs:
        yield "None."
    yield from _run_lines(schedule.next_runs, _zone_of(schedule, look), now)


def _run_lines(runs: Sequence[NextRun], zone: str, now: datetime) -> Iterator[str]:
    for run in runs:
        distance = f"in {left(run.at - now)}" if run.at > now else ago(now - run.at)
        yield f"{full_moment(run.at, zone)}   {distance:<10}{run.note or ''}".rstrip()


def _history_row(line: HistoryLine, zone: str, look: Look) -> Row:
    when = full_moment(line.scheduled_for, zone)
    if line.scheduled_until is not None:
        when = f"{line.count} from {when} to {full_moment(line.scheduled_until, zone)}"
    by_hand = "by hand" if line.kind == "manual" and not line.reason else ""
    return (
        Cell(when),
        Cell(_result(line.outcome, line.reason, line.duration, look), sign_of(line.outcome).tone),
        Cell(_dash(look) if line.job_id is None else f"#{line.job_id}"),
        Cell(clean(line.reason) or by_hand),
    )


# Times


def _zone_of(schedule: Upcoming, look: Look) -> str:
    """An interval has no zone of its own: its times are shown in ours."""
    has_zone = not look.converts and not schedule.expression.isdecimal()
    return schedule.timezone if has_zone and not schedule.broken else look.timezone


def _moment(instant: datetime, zone: str, look: Look, now: datetime) -> str:
    marked = "" if zone == look.timezone else f" ({city(zone)})"
    return f"{moment(instant, zone, now)}{marked}"


def _dash(look: Look) -> str:
    return "–" if look.screen.glyphs else "-"
