"""A run of a schedule → its job. The only mapping: for the tick, for *run now* and for a backfill.

It does not decide which runs there are: `planning` decides those of a tick, and a person asks for the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Q

from schedules.models import Schedule
from schedules.occurrences.due_schedules import UNREADABLE, Readable
from schedules.planning import Run, next_run
from worker import queue, tasks
from worker.models import Job, JobState
from worker.values import NewJob, Unfinished

LEFT_BEHIND = "left behind:"
"""How the names of lanes begin in which jobs wait of a task or a queue that their schedule has no more."""
JOBS_LEFT_BEHIND = Q(lane__startswith=LEFT_BEHIND) & Q(lane__range=(f"{LEFT_BEHIND}0", f"{LEFT_BEHIND}{'9' * 20}"))
"""Twice the same: PostgreSQL walks its index for the first, MySQL and SQLite theirs for the second."""


def job_of(schedule: Readable, run: Run, now: datetime) -> NewJob:
    queue_name, priority, max_attempts = _as_its_task_says(schedule)
    return NewJob(
        task=schedule.task,
        arguments=schedule.arguments,
        queue=queue_name,
        priority=priority,
        max_attempts=max_attempts,
        state=_state(run, now),
        run_at=run.run_at,
        verbose_name=schedule.verbose_name,
        creator=schedule.creator,
        lane=lane_of(schedule.id),
        schedule_id=schedule.id,
        scheduled_for=run.scheduled_for,
        start_by=run.start_by,
        retry_before=run.retry_before,
        task_options=schedule.task_options,
    )


def lane_of(schedule_id: int) -> str:
    """All jobs of a schedule are in one lane, and no others, but for those it has left behind."""
    return f"schedule:{schedule_id}"


def lanes_of(schedule_id: int) -> tuple[str, str]:
    """The lane of a schedule, and the one of jobs that it has left behind."""
    return lane_of(schedule_id), f"{LEFT_BEHIND}{schedule_id}"


def is_left_behind(job: Job) -> bool:
    return job.lane is not None and job.lane.startswith(LEFT_BEHIND)


def counts(schedule: Readable, job: Unfinished) -> bool:
    """Whether it is the run before. Not one that is unstarted, of a task or a queue that the schedule has no more.

    Perhaps no worker can ever run that one. A new one of the schedule's own would wait beside an old one of its own.
    """
    if job.state == JobState.RUNNING:
        return True
    return tasks.same(job.task, schedule.task) and job.queue == _as_its_task_says(schedule)[0]


def leave_behind(schedule: Readable, using: str) -> None:
    """Move the jobs that do not count out of the lane: they wait, and whoever is in the lane does not wait for them."""
    lane, elsewhere = lanes_of(schedule.id)
    queue.leave_lane(lane, partial(counts, schedule), elsewhere, using)


def leave_all_behind(schedules: Iterable[Readable], using: str) -> None:
    """The same for each that has such jobs."""
    changed = {lane_of(each.id): each for each in schedules}
    for lane, jobs in queue.unfinished_of(list(changed), using).items() if changed else ():
        if not all(counts(changed[lane], job) for job in jobs):
            leave_behind(changed[lane], using)


def by_hand(row: Schedule, now: datetime) -> Run:
    """A run that somebody asks for now, of a schedule that may be broken. Its start deadline counts from now."""
    deadline = None
    with suppress(*UNREADABLE):
        deadline = row.policies.start_deadline
    start_by = None if deadline is None else now + timedelta(seconds=deadline)
    return Run(now, now, start_by, _retry_before(row, now), waits=False)


def afterwards(row: Schedule, instants: Sequence[datetime], now: datetime, *, waits: bool) -> list[Run]:
    """Runs now for past instants. They have no start deadline: it would be over before they start."""
    retry_before = _retry_before(row, now)
    return [Run(at, now, None, retry_before, waits) for at in instants]


def _as_its_task_says(schedule: Readable) -> tuple[str, int, int]:
    """Queue, priority and attempts of a job: of the task as it is now, but for what the schedule says itself.

    Where this process does not know the task, they are what the row had from it last.
    """
    task = tasks.find(schedule.task)
    if task is None:
        return schedule.queue, schedule.priority, schedule.max_attempts
    own = schedule.own_options
    if not own:  # as it mostly is
        return task.queue, task.priority, task.attempts_allowed
    queue_name = schedule.queue if "queue" in own else task.queue
    priority = schedule.priority if "priority" in own else task.priority
    max_attempts = schedule.max_attempts if "max_attempts" in own else task.attempts_allowed
    return queue_name, priority, max_attempts


def _state(run: Run, now: datetime) -> JobState:
    if run.waits:
        return JobState.WAITING
    return JobState.SCHEDULED if run.run_at > now else JobState.READY


def _retry_before(row: Schedule, now: datetime) -> datetime | None:
    """Rule O2: a retry must not keep the next occurrence from running. A pause may end before that."""
    with suppress(*UNREADABLE):
        if row.retired_at is None and not row.policies.retry_past_next:
            return next_run(row.recurrence, row.policies, max(now, row.settled_until), row.runs)
    return None
