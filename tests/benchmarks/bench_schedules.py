"""Schedules made at run time: ten thousand, by one call for all and by one call for each."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection

from schedules import api
from schedules.models import Schedule
from tests.app.tasks import leave_trace
from tests.benchmarks.measure import Contender, Figures, side_by_side

MANY = 10_000
SINGLY = 500
"""By a call for each there are fewer, which tell as much."""


def main(runs: int) -> None:
    made = [
        Contender("schedule_many", partial(_made, _many, MANY)),
        Contender("schedule", partial(_made, _each, SINGLY)),
    ]
    side_by_side("Schedules made", made, runs)
    again = [
        Contender("schedule_many, as they are", partial(_again, {})),
        Contender("schedule_many, with another cron", partial(_again, {"cron": "30 6 * * *"})),
    ]
    side_by_side(f"{MANY:,} schedules that are there, once more", again, runs)


def _made(make: Callable[[int, dict[str, Any]], object], count: int) -> Figures:
    Schedule.objects.all().delete()
    return _timed(make, count, {})


def _again(edit: dict[str, Any]) -> Figures:
    Schedule.objects.all().delete()
    _many(MANY, {})
    return _timed(_many, MANY, edit)


def _timed(make: Callable[[int, dict[str, Any]], object], count: int, edit: dict[str, Any]) -> Figures:
    statements = 0

    def counting(execute: Any, *given: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*given)

    with connection.execute_wrapper(counting):
        begun = time.perf_counter()
        make(count, edit)
        seconds = time.perf_counter() - begun
    return {
        "schedules/s": count / seconds,
        f"s for {MANY:,}": seconds * MANY / count,
        "statements each": statements / count,
    }


def _many(count: int, edit: dict[str, Any]) -> None:
    api.schedule_many([_entry(number, edit) for number in range(count)])


def _each(count: int, edit: dict[str, Any]) -> None:
    for number in range(count):
        entry = _entry(number, edit)
        api.schedule(entry.pop("task"), **entry)


def _entry(number: int, edit: dict[str, Any]) -> dict[str, Any]:
    cron = f"{number % 60} {number % 24} * * *"
    return {"task": leave_trace, "name": f"s{number}", "args": [str(number)], "cron": cron, **edit}
