"""The object of `list_schedule --json`: the fields of docs/reference/commands.md, and no others.

Fields are added and never change their meaning; VERSION moves if one ever must. Instants are RFC 3339 in UTC,
durations are seconds, and what is absent is null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from schedules.overview.values import (
    HistoryLine,
    Lead,
    NextRun,
    Overview,
    Pause,
    PendingJob,
    Problem,
    RunningJob,
    Upcoming,
)
from schedules.recurrence import Cron
from schedules.recurrence.zones import local
from worker import masking
from worker.current.progress import Progress

VERSION = 1
Object = dict[str, Any]


def listing(overview: Overview, histories: Mapping[str, Sequence[HistoryLine]]) -> str:
    """`histories`: of the schedules that were asked for by name."""
    return dumped(
        {
            "version": VERSION,
            "now": instant(overview.now),
            "leader": _leader(overview.leader),
            "schedules": [_schedule(each) | _history(histories.get(each.name)) for each in overview.schedules],
            "running": [_running(job) for job in overview.running],
            "jobs": [_job(job) for job in overview.jobs],
            "problems": [_problem(problem) for problem in overview.problems],
        }
    )


def preview(cron: Cron, description: str, runs: Sequence[NextRun]) -> str:
    return dumped(
        {
            "version": VERSION,
            "expression": cron.expression,
            "timezone": cron.timezone,
            "description": description,
            "upcoming": [
                {"at": instant(run.at), "local": local(run.at, cron.timezone).isoformat(), "note": run.note}
                for run in runs
            ],
        }
    )


def _leader(leader: Lead | None) -> Object | None:
    if leader is None:
        return None
    return {
        "name": leader.name,
        "term": leader.term,
        "lock": leader.lock,
        "started_at": instant(leader.started_at),
        "renewed_at": instant(leader.renewed_at),
    }


def _schedule(schedule: Upcoming) -> Object:
    last = schedule.last_run
    return {
        "id": schedule.id,
        "name": schedule.name,
        "task": schedule.task,
        "queue": schedule.queue,
        "source": schedule.source,
        "declared_in": schedule.declared_in or None,
        "recurrence": schedule.expression,
        "timezone": schedule.timezone,
        "description": schedule.description,
        "status": schedule.status,
        "next_run_at": instant(schedule.next_run_at),
        "upcoming": [instant(run.at) for run in schedule.next_runs],
        "last_run_at": last and instant(last.at),
        "last_outcome": last and last.outcome,
        "last_reason": (last and last.reason) or None,
        "last_duration": last and last.duration,
        "paused": schedule.pause is not None,
        "pause": _pause(schedule.pause),
        "enabled": schedule.enabled,
        "broken": schedule.broken or None,
    }


def _pause(pause: Pause | None) -> Object | None:
    if pause is None:
        return None
    return {
        "since": instant(pause.since),
        "until": instant(pause.until),
        "reason": pause.reason or None,
        "by": pause.by or None,
    }


def _history(lines: Sequence[HistoryLine] | None) -> Object:
    return {} if lines is None else {"history": [_history_line(line) for line in lines]}


def _history_line(line: HistoryLine) -> Object:
    return {
        "scheduled_for": instant(line.scheduled_for),
        "scheduled_until": instant(line.scheduled_until),
        "count": line.count,
        "kind": line.kind,
        "outcome": line.outcome,
        "reason": line.reason or None,
        "job": line.job_id,
        "started_at": instant(line.started_at),
        "duration": line.duration,
    }


def _running(job: RunningJob) -> Object:
    return {
        "id": job.id,
        "task": job.task,
        "verbose_name": job.verbose_name or None,
        "queue": job.queue,
        "schedule": job.schedule,
        "started_at": instant(job.started_at),
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "progress": progress(job.progress),
    }


def progress(told: Progress | None) -> Object | None:
    """The same wherever a job is, and without secrets."""
    if told is None:
        return None
    return {
        "done": told.done,
        "total": told.total,
        "note": masking.line(told.note) or None,
        "at": instant(told.at),
        "attempt": told.attempt,
    }


def _job(job: PendingJob) -> Object:
    return {
        "id": job.id,
        "task": job.task,
        "verbose_name": job.verbose_name or None,
        "queue": job.queue,
        "priority": job.priority,
        "run_at": instant(job.run_at),
        "attempts": job.attempts,
        "schedule": job.schedule,
        "state": job.state,
        "hindered": job.hindered or None,
    }


def _problem(problem: Problem) -> Object:
    return {
        "code": problem.code,
        "message": problem.message,
        "schedule": problem.schedule,
        "queue": problem.queue,
        "task": problem.task,
    }


def instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def dumped(contents: Object) -> str:
    return json.dumps(contents, indent=2)
