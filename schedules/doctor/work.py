"""Examines the work: what is late, failing or broken, who drains which queue, what was given up.

`schedules.overview.problems` decides what is a problem. Here each gets its severity and its remedy.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min

from schedules.commandline.terminal import count
from schedules.doctor import leadership
from schedules.doctor.findings import Case, Finding, Severity
from schedules.models import Schedule
from schedules.overview import MOST_COUNTED, counted
from schedules.overview.kinds import kinds_of
from worker.models import FinishedJob, FinishedState, Job, JobState
from worker.queue import MOST_INTERRUPTIONS
from worker.serving import living_workers, served_queues

DAY = timedelta(days=1)

TREATMENTS = {
    "misdeclared": (
        Severity.ERROR,
        "Correct the entry in SCHEDULES; until then its schedule, if there is one, stays as it is.",
    ),
    "not-synced": (
        Severity.WARNING,
        "Start or restart a leader: it writes declarations into the database when it begins to lead.",
    ),
    "broken": (
        Severity.ERROR,
        "Remove that cause, in code or in the admin. Then press Repair there, or call get(name).repair().",
    ),
    "ahead": (Severity.ERROR, "schedules.api.get(name).repair(), or Repair in the admin: it counts again from now."),
    "unknown-task": (
        Severity.WARNING,
        "Run a worker whose code has the task; where it is gone for good, delete the schedule and cancel the jobs.",
    ),
    "late": (
        Severity.WARNING,
        "Start more slots (--threads, --processes), or give slow jobs a queue of their own; check that a leader runs.",
    ),
    "failed-jobs": (
        Severity.WARNING,
        (
            "Their tracebacks are in the admin, under Finished jobs: retry them there. If failures of a task do "
            "not matter, give it may_fail=True."
        ),
    ),
    "failing": (Severity.WARNING, "Its traceback is in the admin, under Finished jobs."),
    "left-behind": (
        Severity.WARNING,
        "Run a worker whose code has the task and that drains the queue, or cancel the jobs in the admin.",
    ),
    "seems-renamed": (
        Severity.WARNING,
        "If it was renamed, add renamed_from to the declaration before a leader starts with this code.",
    ),
    "name-taken": (
        Severity.ERROR,
        "Rename one of them. Or give the schedule back to the code, in the admin or with give_back() in schedules.api.",
    ),
    "dead-slots": (
        Severity.ERROR,
        "Restart that process. Its standard error says what ended the threads; check its limits on threads and memory.",
    ),
    "unreadable": (
        Severity.ERROR,
        "Apply the migrations, and run this command with the database privileges that the processes have.",
    ),
    "unrecorded": (
        Severity.ERROR,
        "Provide what is missing: a privilege, a table or room on the disk. Then the outcomes are recorded.",
    ),
    "chore-refused": (
        Severity.ERROR,
        "Give the database what it misses, or correct the row or the trigger that it names. Then it is done by itself.",
    ),
    "no-worker": (Severity.ERROR, "Start manage.py process_tasks, with --queue and that name or without --queue."),
}
"""By the code of a problem: its weight, and what to do."""


def problems(case: Case) -> Iterator[Finding]:
    found = [problem for problem in case.health.problems if problem.code not in leadership.REMEDIES]
    for problem in found:
        severity, remedy = TREATMENTS[problem.code]
        facts = {"schedule": problem.schedule, "queue": problem.queue, "task": problem.task}
        given = {name: value for name, value in facts.items() if value is not None}
        yield Finding(problem.code, severity, problem.message, given, remedy)
    if not found:
        yield Finding(
            "work",
            Severity.OK,
            "Nothing is late, failing or broken.",
            {"schedules": _number(case.health.schedules), "jobs": _number(counted(Job.objects.using(case.using)))},
        )


def workers(case: Case) -> Iterator[Finding]:
    unserved = list(_unserved(case))
    for queue, what, first in unserved:
        yield Finding(
            "no-worker-later",
            Severity.WARNING,
            f'Queue "{queue}" has no worker, and {what} planned on it.',
            {"queue": queue, "first in": first - case.now},
            TREATMENTS["no-worker"][1],
        )
    if not unserved:
        alive = living_workers(case.using, case.now)
        slots = sum(worker.slots for worker in alive if isinstance(worker.slots, int))
        yield Finding("workers", Severity.OK, f"{count(len(alive), 'worker')} alive.", {"slots": slots})


def given_up(case: Case) -> Iterator[Finding]:
    """Jobs that are not tried again, since workers died holding them."""
    failed = FinishedJob.objects.using(case.using).filter(finished_at__gte=case.now - DAY, state=FinishedState.FAILED)
    deadly = failed.filter(interruptions__gte=MOST_INTERRUPTIONS).values_list("task").annotate(Count("pk"))
    found = list(deadly.order_by("task"))
    for task, number in found:
        yield Finding(
            "given-up",
            Severity.WARNING,
            f"{count(number, 'job')} of {task} given up: {MOST_INTERRUPTIONS} workers died holding it.",
            {"task": task, "jobs": number, "within": DAY},
            "See in the system's log what killed the workers (out of memory, a crash in native code). "
            "Then retry the jobs in the admin, under Finished jobs.",
        )
    if not found:
        yield Finding("none-given-up", Severity.OK, "No job was given up.", {"within": DAY})


def _unserved(case: Case) -> Iterator[tuple[str, str, datetime]]:
    """Queues that no living worker drains, what is planned there, and when its first comes.

    What is due already is told as a problem.
    """
    served = served_queues(living_workers(case.using, case.now))
    if served is None:
        return
    jobs = Job.objects.using(case.using).filter(state=JobState.SCHEDULED, run_at__gt=case.now)
    schedules = Schedule.objects.using(case.using).filter(next_run_at__gt=case.now)
    unserved = {queue for _, queue in kinds_of(Schedule.objects.using(case.using).planned(), "task", "queue")} - served
    for noun, at, planned in (
        ("delayed job", "run_at", jobs.exclude(queue__in=served)),
        ("schedule", "next_run_at", schedules.filter(queue__in=unserved)),
    ):
        for queue, number, first in planned.values_list("queue").annotate(Count("pk"), Min(at)).order_by("queue"):
            yield queue, count(number, noun), first


def _number(counted: int) -> int | str:
    return counted if counted <= MOST_COUNTED else f"more than {MOST_COUNTED}"
