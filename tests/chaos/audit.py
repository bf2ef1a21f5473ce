"""The audit at the end of each run: accepted = finished + waiting + shown as stuck, and how often each ran.

It reads what is in the tables, and the traces that the tasks left; it trusts no counter of the product.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from schedules.models import Kind, Occurrence, Schedule
from schedules.recurrence.instants import TICK
from tests.app.models import Effect
from worker.models import FinishedJob, FinishedState, Job, JobState

logger = logging.getLogger("chaos")


@dataclass(frozen=True)
class Audit:
    """What the tables say in the end. It goes into the log: pytest --log-cli-level=INFO shows it."""

    accepted: int
    finished: int
    waiting: int
    stuck: int
    runs: int
    """Of tasks, by the traces they left."""
    interrupted: int
    """Jobs whose worker died while it held them."""
    retried: int


def audit(calls: Collection[str]) -> Audit:
    """Compare what was accepted, the occurrences in the ledger and the `calls` by label, with what became of it.

    Fails if a job was lost, was made of nothing, or ran more often than "at least once" allows.
    """
    jobs: list[Job | FinishedJob] = [*FinishedJob.objects.all(), *Job.objects.all()]
    runs = Counter(Effect.objects.values_list("key", flat=True))
    assert _labels(jobs) == Counter(calls), "each call that was committed is one job, and no other call is"
    assert _instants(jobs) == _enqueued(), "the ledger and the jobs speak of the same occurrences"
    for job in jobs:
        least, most = _runs_allowed(job)
        assert least <= runs.pop(str(job.pk), 0) <= most, f"{job}: {job.state}, attempts {job.attempts}"
    assert not runs, "what ran was a job"
    result = Audit(
        accepted=len(calls) + _enqueued().total(),
        finished=FinishedJob.objects.count(),
        waiting=Job.objects.exclude(state=JobState.RUNNING).count(),
        stuck=Job.objects.filter(state=JobState.RUNNING).count(),
        runs=Effect.objects.count(),
        interrupted=sum(job.interruptions > 0 for job in jobs),
        retried=sum(job.attempts > 1 for job in jobs),
    )
    logger.info("%s", asdict(result))
    assert result.accepted == result.finished + result.waiting + result.stuck
    return result


def assert_all_ran_once(result: Audit) -> None:
    """Stricter than the audit: nothing is left, and nothing had to be done again."""
    assert result.runs == result.finished == result.accepted
    assert not FinishedJob.objects.exclude(state=FinishedState.SUCCEEDED, attempts=1, interruptions=0).exists()


def assert_ledger_is_the_grid(schedule: Schedule) -> None:
    """Each instant of the schedule until its cursor has exactly one line, and nothing else has one."""
    assert schedule.anchor is not None
    grid = schedule.recurrence.between(schedule.anchor, schedule.settled_until)
    assert Counter(_explained(schedule)) == Counter(grid)


def _explained(schedule: Schedule) -> Iterator[datetime]:
    """The instants that the ledger speaks of, those within its ranges too."""
    for line in Occurrence.objects.filter(schedule=schedule, kind=Kind.NOMINAL):
        instants = list(
            schedule.recurrence.between(line.scheduled_for - TICK, line.scheduled_until or line.scheduled_for)
        )
        assert len(instants) == line.count
        yield from instants


def _labels(jobs: Collection[Job | FinishedJob]) -> Counter[str]:
    return Counter(json.loads(job.arguments)[0][0] for job in jobs if job.schedule_id is None)


def _instants(jobs: Collection[Job | FinishedJob]) -> Counter[tuple[int | None, datetime | None, int | None]]:
    return Counter((job.schedule_id, job.scheduled_for, job.pk) for job in jobs if job.schedule_id is not None)


def _enqueued() -> Counter[tuple[int | None, datetime | None, int | None]]:
    lines = Occurrence.objects.filter(job_id__isnull=False)
    return Counter(lines.values_list("schedule_id", "scheduled_for", "job_id"))


def _runs_allowed(job: Job | FinishedJob) -> tuple[int, int]:
    """One run for each attempt that is recorded, and one more for each that its worker did not live to record.

    An attempt that failed may have failed before it left its trace.
    """
    begun = int(job.state == JobState.RUNNING)
    return job.attempts - len(job.error_list), job.attempts + job.interruptions + begun
