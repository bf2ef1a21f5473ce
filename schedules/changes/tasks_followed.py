"""Rows show what their tasks are now. A run asks the task itself, so this is for what is seen and counted."""

from __future__ import annotations

from django.db.models import Q

from schedules.models import Schedule
from schedules.occurrences.jobs import leave_behind
from worker import tasks
from worker.tasks import Task


def follow_tasks(using: str) -> None:
    """Bring queue, priority and attempts in line, but for what a schedule says itself. What is unknown here stays."""
    rows = Schedule.objects.using(using)
    for name in set(rows.order_by().values_list("task", flat=True).distinct()):
        task = tasks.find(name)
        if task is not None:
            _follow(name, task, using)


def _follow(name: str, task: Task, using: str) -> None:
    now = {"queue": task.queue, "priority": task.priority, "max_attempts": task.attempts_allowed}
    rows = Schedule.objects.using(using)
    for option, value in now.items():
        differ = rows.filter(~Q(own_options__contains=option), ~Q(**{option: value}), task=name)
        # MySQL's collations take one task for another.
        own = [pk for pk, named in differ.values_list("pk", "task") if named == name]
        if own:
            rows.filter(pk__in=own).update(**{option: value})
        if option == "queue":
            for row in rows.filter(pk__in=own):
                leave_behind(row, using)
