"""A row in every state that the admin has to show, dated from the database's clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from schedules import changes
from schedules.models import LEDGERED, Leadership, Occurrence, Schedule, Source
from schedules.occurrences.jobs import lane_of
from schedules.spec import spec_of
from worker import tasks
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job, JobState, WorkerProcess
from worker.outcomes import Error
from worker.tasks import Task

ALIAS = "default"
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
HOSTILE = '<script>alert("x")</script>'


def send_report(region: str, api_token: str, deep: bool = False) -> None:
    """A task whose second argument is nobody's business."""


REPORT = tasks.register(Task(send_report, "shop.tasks.send_report"))


def schedule(
    name: str, *, source: Source = Source.ADMIN, columns: dict[str, Any] | None = None, **options: Any
) -> Schedule:
    """A schedule made as any other is, and then put into a state."""
    spec = spec_of(
        REPORT,
        where=name,
        name=name,
        source=source,
        declared_in="shop/tasks.py:14" if source in (Source.CODE, Source.SETTINGS) else "",
        args=["eu", "hunter2"],
        kwargs={"deep": True},
        options=options or {"cron": "30 2 * * *", "timezone": "Europe/Riga"},
    )
    row = changes.bring_in_line(spec, ALIAS, database_now(ALIAS))
    Schedule.objects.filter(pk=row.pk).update(**(columns or {}))
    return Schedule.objects.get(pk=row.pk)


def job(state: JobState = JobState.READY, **columns: Any) -> Job:
    now = database_now(ALIAS)
    lane = lane_of(columns["schedule_id"]) if "schedule_id" in columns else None
    return Job.objects.create(**(_record(now) | {"state": state, "run_at": now, "lane": lane} | columns))


def finished(id: int, state: FinishedState = FinishedState.SUCCEEDED, **columns: Any) -> FinishedJob:
    now = database_now(ALIAS)
    times = {"run_at": now - HOUR, "started_at": now - HOUR + SECOND, "finished_at": now - HOUR + 42 * SECOND}
    return FinishedJob.objects.create(**(_record(now - HOUR) | {"id": id, "state": state} | times | columns))


def everything() -> None:
    """All of it: schedules, jobs, history, ledger, workers and terms."""
    now = database_now(ALIAS)
    nightly = schedule("reports.nightly", source=Source.CODE)
    _schedules(now)
    _jobs(now, nightly)
    _history(now, nightly)
    _ledger(now, nightly)
    WorkerProcess.objects.create(
        name="web-1:4711", slots=8, queues="default\nslow", started_at=now - DAY, heartbeat_at=now
    )
    WorkerProcess.objects.create(name="web-2:812", slots=4, started_at=now - DAY, heartbeat_at=now - HOUR)
    Leadership.objects.create(leader="web-1:4711", lock="session", started_at=now - HOUR, renewed_at=now)
    Leadership.objects.create(leader="web-2:812", lock="session", started_at=now - DAY, renewed_at=now - 2 * HOUR)
    Leadership.objects.create(
        leader="web-3:9",
        lock="session",
        started_at=now - DAY,
        renewed_at=now - DAY,
        ended_at=now - DAY,
        trouble="clock",
    )


def _schedules(now: datetime) -> None:
    schedule("metrics.rollup", source=Source.SETTINGS, repeat=60)
    schedule("emails.digest", cron="0 7 * * MON-FRI", timezone="America/New_York", exclude=["2026-12-25"])
    schedule("invoices", source=Source.API, repeat="1 month", timezone="Asia/Kolkata", max_runs=3)
    schedule("legacy.sync", cron="0 6 * * *")
    paused = {"paused_at": now - 2 * HOUR, "paused_by": "admin", "pause_reason": f"vendor outage {HOSTILE}"}
    schedule("paused", source=Source.CALL, columns={**paused, "paused_until": now + DAY, "next_run_at": None})
    schedule("broken", columns={"broken": "no zone Mars/Olympus", "timezone": "Mars/Olympus", "next_run_at": None})
    schedule("retired", source=Source.CODE, columns={"retired_at": now - DAY, "next_run_at": None})
    schedule("ended", run_at=now + HOUR, columns={"next_run_at": None})
    schedule("ahead", repeat=60, columns={"settled_until": now + DAY, "next_run_at": now + DAY + 60 * SECOND})
    schedule("late", repeat=3600, columns={"next_run_at": now - HOUR, "settled_until": now - 2 * HOUR})
    end = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    at_the_end = {"run_at": end, "next_run_at": end, "timezone": "Asia/Tokyo"}
    schedule("at the end of time", run_at=now + HOUR, columns=at_the_end)
    schedule(HOSTILE, cron="*/15 * * * *")


def _jobs(now: datetime, nightly: Schedule) -> None:
    of_schedule: dict[str, Any] = {"schedule_id": nightly.pk, "scheduled_for": now - HOUR}
    job(JobState.READY, verbose_name=HOSTILE)
    job(JobState.SCHEDULED, run_at=now + HOUR, attempts=2, errors=_errors(now, 2), **of_schedule)
    job(JobState.WAITING, **of_schedule)
    job(JobState.RUNNING, claim=1, worker_id=-1, claimed_at=now - SECOND, schedule_id=-1)


def _history(now: datetime, nightly: Schedule) -> None:
    of_schedule: dict[str, Any] = {"schedule_id": nightly.pk, "scheduled_for": now - HOUR}
    finished(900_001, **of_schedule, attempts=1, worker="web-1:4711")
    finished(
        900_002,
        FinishedState.FAILED,
        attempts=3,
        scheduled_for=now - 4 * HOUR,
        enqueued_at=now - 4 * HOUR + SECOND,
        finished_at=now - HOUR,
        started_at=now - HOUR - 42 * SECOND,
        errors=_errors(now - HOUR, 3),
        reason="TimeoutError: no answer\nfor a while",
        retry_of=900_001,
        schedule_id=nightly.pk,
    )
    finished(900_003, FinishedState.CANCELLED, started_at=None, reason="Cancelled by admin.", **of_schedule)
    finished(900_004, FinishedState.MISSED, started_at=None, reason="not started within 60 s", **of_schedule)


def _ledger(now: datetime, nightly: Schedule) -> None:
    for number, (outcome, _words) in enumerate(LEDGERED):
        Occurrence.objects.create(
            schedule=nightly,
            scheduled_for=now - number * DAY,
            outcome=outcome,
            reason="" if outcome == "enqueued" else f"because of {HOSTILE}",
            job_id=900_001 if outcome == "enqueued" else None,
            recorded_at=now,
        )
    Occurrence.objects.create(
        schedule=nightly,
        scheduled_for=now - 60 * DAY,
        scheduled_until=now - 40 * DAY,
        count=20,
        outcome="missed",
        reason="overdue by more than 60 s",
        recorded_at=now,
    )


def _record(now: datetime) -> dict[str, Any]:
    arguments = json.dumps([["eu", "hunter2"], {"deep": True, "nested": {"password": "hunter2"}, "note": "\ud800"}])
    shared = {"task": REPORT.name, "arguments": arguments, "queue": "default", "max_attempts": 3}
    return {**shared, "enqueued_at": now, "creator": "auth.User:1"}


def _errors(now: datetime, count: int) -> str:
    trace = f'Traceback (most recent call last):\n  File "shop/tasks.py", line 14\nTimeoutError: {HOSTILE}'
    errors = [
        Error(n, "TimeoutError", f"no answer {HOSTILE}", trace, now - (count - n) * HOUR) for n in range(1, count + 1)
    ]
    return "".join(f"{error.as_line()}\n" for error in errors)
