"""What it costs to keep what jobs return: a kibibyte, as rows or as one text, beside jobs that return nothing.

All jobs of a run are enqueued in one transaction, so that no worker waits for whoever enqueues Tasks one by one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction

from schedules.declarations import Background
from tests.app.tasks import nothing
from tests.benchmarks import framework_tasks
from tests.benchmarks.bench_drain import JOBS, carillon
from tests.benchmarks.measure import Contender, Figures, side_by_side
from tests.benchmarks.tasks import keep_rows, keep_text


def main(runs: int) -> None:
    of_ours: dict[str, Background[Any, Any, Any]] = {
        "plain jobs": nothing,
        "keep_result, rows": keep_rows,
        "keep_result, one text": keep_text,
    }
    of_the_framework = {
        "Tasks that return nothing": framework_tasks.nothing,
        "Tasks, rows": framework_tasks.give_rows,
        "Tasks, one text": framework_tasks.give_text,
    }
    contenders = [Contender(name, partial(drain, task)) for name, task in of_ours.items()]
    contenders += [Contender(name, partial(drain_tasks, task)) for name, task in of_the_framework.items()]
    side_by_side(f"{JOBS:,} jobs, of which some return a kibibyte that is kept", contenders, runs)


def drain(task: Background[Any, Any, Any]) -> Figures:
    def enqueue(jobs: int) -> None:
        with transaction.atomic():
            task.enqueue_many([((number,), {}) for number in range(jobs)])

    return carillon(1, enqueue=enqueue)


def drain_tasks(task: Any) -> Figures:
    def enqueue(jobs: int) -> None:
        with transaction.atomic():
            for number in range(jobs):
                task.enqueue(number)

    return carillon(1, enqueue=enqueue)
