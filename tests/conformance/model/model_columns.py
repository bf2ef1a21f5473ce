"""What a schedule is told, in plain Python: its options, which instants they mean, and whose jobs are its own.

Which instants a cron expression has is asked of the oracle (`tests/schedules/recurrence/oracle.py`), so nothing here
rests on the product's own idea of time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

from tests.conformance.model.model import ModelJob
from tests.schedules.recurrence import oracle

BEFORE = timedelta(microseconds=1)
HOUR = timedelta(hours=1)

QUEUES = {"report": "default", "another": "mail"}
"""Of tasks."""
FORMER_NAMES = {"report.as.it.was": "report"}
"""Of tasks, and what they are called now."""

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Columns:
    """What a schedule is told: the options of the same names."""

    task: str = "report"
    queue: str = ""
    """None of its own: that of its task."""
    cron: str = ""
    repeat: int = 0
    run_at: datetime | None = None
    timezone: str = "UTC"
    dst_gap: str = "run"
    dst_overlap: str = "first"
    catch_up: str = "latest"
    catch_up_window: int | None = None
    max_catch_up: int = 100
    late_after: int = 60
    overlap: str = "skip"
    start_deadline: int | None = None
    jitter: int = 0
    retry_past_next: bool = False
    starts_at: datetime | None = None
    repeat_until: datetime | None = None
    max_runs: int | None = None
    exclude: tuple[date, ...] = ()

    @property
    def meaning(self) -> tuple[object, ...]:
        """A zone and rules for its clock mean nothing to seconds, nor rules to a clock that never changes."""
        if not self.cron:
            return self.repeat, self.run_at
        is_fixed = not any(field.startswith("*") for field in self.expression.split()[:2]) and self.timezone != "UTC"
        return self.expression, self.timezone, (self.dst_gap, self.dst_overlap) if is_fixed else None

    @property
    def expression(self) -> str:
        return self.cron.replace("@hourly", "0 * * * *")

    @property
    def work(self) -> tuple[str, str]:
        return self.task, self.own_queue

    @property
    def own_queue(self) -> str:
        return self.queue or QUEUES[present_name(self.task)]

    def counts(self, job: ModelJob) -> bool:
        """Whether it can end as a run of what the schedule is now: what runs, and what is of its task and queue."""
        same_task = present_name(job.task) == present_name(self.task)
        return job.state == "running" or (same_task and job.queue == self.own_queue)

    @property
    def limits(self) -> tuple[object, ...]:
        return self.starts_at, self.repeat_until, self.max_runs

    def fires(self, start: datetime, end: datetime, anchor: datetime) -> list[datetime]:
        """The instants after `start`, up to and including `end`. A repeat counts from the anchor."""
        return list(self.one_by_one(start, end, anchor))

    def one_by_one(self, start: datetime, end: datetime, anchor: datetime) -> Iterator[datetime]:
        """The same, for whoever wants the first alone."""
        if self.cron:
            return _cron_fires(self, self.dst_gap, start, end)
        if self.repeat:
            return _steps(anchor, timedelta(seconds=self.repeat), start, end)
        assert self.run_at is not None
        return iter([self.run_at] if start < self.run_at <= end else [])

    def skipped(self, start: datetime, end: datetime) -> list[datetime]:
        """The instants that are none because the clock skips them."""
        if not self.cron:
            return []
        fires = set(_cron_fires(self, self.dst_gap, start, end))
        return [at for at in _cron_fires(self, "run", start, end) if at not in fires]

    def within_limits(self, start: datetime, end: datetime) -> Span:
        starts_at = start if self.starts_at is None else self.starts_at - BEFORE
        return max(start, starts_at), min(end, self.repeat_until or end)

    def may_run_once(self) -> bool:
        assert self.run_at is not None
        start, end = self.within_limits(self.run_at - BEFORE, self.run_at)
        return start < end and not self.excludes(self.run_at)

    def excludes(self, at: datetime) -> bool:
        return at.astimezone(oracle.zone_of(self.timezone)).date() in self.exclude


def present_name(task: str) -> str:
    return FORMER_NAMES.get(task, task)


def _steps(anchor: datetime, step: timedelta, start: datetime, end: datetime) -> Iterator[datetime]:
    at = anchor + step * max(0, (start - anchor) // step + 1)
    while at <= end:
        yield at
        at += step


def _cron_fires(columns: Columns, gap: str, start: datetime, end: datetime) -> Iterator[datetime]:
    hour = start.replace(minute=0, second=0, microsecond=0)
    while hour < end:
        found = _in_hour(columns.expression, columns.timezone, hour, gap, columns.dst_overlap)
        yield from (at for at in found if start < at <= end)
        hour += HOUR


@cache
def _in_hour(expression: str, zone: str, hour: datetime, gap: str, overlap: str) -> tuple[datetime, ...]:
    """After the hour has begun, and until the next does."""
    return tuple(oracle.fires(expression, zone, hour, hour + HOUR, gap, overlap))
