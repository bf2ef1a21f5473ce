"""Bring queue, priority and attempts in rows in line with their tasks, for pages, lists and counts.

A run asks the task itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction
from django.db.models import Q

from schedules.changes.row import one_by_one
from schedules.models import Schedule
from schedules.occurrences.jobs import leave_behind
from schedules.occurrences.materialize import Authority
from worker import tasks
from worker.tasks import Task


def follow_tasks(using: str, authority: Authority) -> Iterator[None]:
    """Bring queue, priority and attempts in line, but for what a schedule says itself. What is unknown here stays.

    Each step does one schedule, or none.
    """
    rows = Schedule.objects.using(using)
    for name in set(rows.order_by().values_list("task", flat=True).distinct()):
        task = tasks.find(name)
        if task is not None:
            yield from _follow(name, task, using, authority)


def _follow(name: str, task: Task, using: str, authority: Authority) -> Iterator[None]:
    now = {"queue": task.queue, "priority": task.priority, "max_attempts": task.attempts_allowed}
    differs = Q()
    for option, value in now.items():
        differs |= ~Q(own_options__contains=option) & ~Q(**{option: value})
    for row in one_by_one(Schedule.objects.using(using).filter(differs, task=name)):
        if row.task == name:  # MySQL's collations take one task for another
            its = {each: now[each] for each in now.keys() - row.own_options.split()}
            with transaction.atomic(using=using):
                authority.prove()
                Schedule.objects.using(using).filter(pk=row.pk).update(**its)
                row.queue = task.queue if "queue" in its else row.queue
                leave_behind(row, using)
        yield
    yield
