"""What the rules of time cost, beside croniter and cronsim: microseconds a step, and the worst inputs known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from statistics import median
from time import perf_counter
from zoneinfo import ZoneInfo

import pytz
from croniter import croniter
from cronsim import CronSim

from schedules.recurrence import Cron

START = datetime(2026, 1, 1, tzinfo=UTC)
STEPS = 800
EXPRESSIONS = ["* * * * *", "*/15 9-17 * * 1-5", "30 2 * * *", "0 0 1,15 * 5", "0 0 L * *"]
ZONES = ["UTC", "Europe/Paris"]
WORST = [("0 0 */28 2 1#5", "Africa/Casablanca"), ("0 0 29 2 *", "Pacific/Apia"), ("59 59 23 31 12 *", "Europe/Paris")]


DATABASES = ("sqlite",)
"""It touches none: once is enough."""


def main(runs: int) -> None:
    print(f"{'expression':20} {'zone':14} {'after':>8} {'between':>8} {'cronsim':>8} {'croniter':>9}   µs a step")
    for expression in EXPRESSIONS:
        for zone in ZONES:
            cron = Cron(expression, zone)
            compared = [
                by_after(cron),
                cron.between(START, datetime.max.replace(tzinfo=UTC)),
                CronSim(expression, START.astimezone(ZoneInfo(zone))),
                by_croniter(expression, zone),
            ]
            costs = [microseconds_a_step(instants) for instants in compared]
            print(f"{expression:20} {zone:14} " + " ".join(f"{cost:8.2f}" for cost in costs))
    year = START, START + timedelta(days=365)
    minutely = Cron("* * * * *", "Europe/Paris")
    secondly = Cron("* * * * * *", "Europe/Paris")
    report("a year of a minutely schedule, one by one", lambda: sum(1 for _ in minutely.between(*year)), runs)
    report("the latest second of thirty years", lambda: secondly.latest(START, START.replace(year=2056)), runs)
    report("the number of seconds in thirty years", lambda: secondly.count(START, START.replace(year=2056)), runs)
    for expression, zone in WORST:
        search = partial(Cron(expression, zone).after, START.replace(year=1890))
        report(f"{expression} in {zone}, from 1890", search, runs)


def by_after(cron: Cron) -> Iterator[datetime]:
    instant = cron.after(START)
    while instant is not None:
        yield instant
        instant = cron.after(instant)


def by_croniter(expression: str, zone: str) -> Iterator[datetime]:
    walker = croniter(expression, START.astimezone(pytz.timezone(zone)))
    while True:
        yield walker.get_next(datetime)


def microseconds_a_step(instants: Iterator[datetime]) -> float:
    steps = islice(instants, STEPS)
    next(steps)
    begun = perf_counter()
    walked = sum(1 for _ in steps)
    return (perf_counter() - begun) / walked * 1e6


def report(what: str, call: Callable[[], object], runs: int) -> None:
    call()
    print(f"{what}: {median(_seconds(call) for _ in range(runs)) * 1e3:.3f} ms")


def _seconds(call: Callable[[], object]) -> float:
    begun = perf_counter()
    call()
    return perf_counter() - begun
