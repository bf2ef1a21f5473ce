"""huey on SQLite: write-ahead log and a sync per commit, one thread, a look each 10 ms (its default: 0.1 s to 10 s)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from huey import SqliteHuey, crontab

from tests.benchmarks.peers import chores
from tests.benchmarks.peers.perform import Clock

huey = SqliteHuey(filename=os.environ["PEERS_SQLITE"], fsync=True, results=False)


@huey.task()
def job(number: int) -> None:
    chores.do(number)


def prepare() -> None:
    huey.storage.queue_size()


def enqueue(numbers: Iterable[int], clock: Clock) -> None:
    huey.storage.queue_size()
    with clock:
        for number in numbers:
            job(number)


def left() -> int:
    return int(huey.storage.queue_size())


def work(*, quiet: bool, slots: int | None) -> None:
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO)
    huey.create_consumer(workers=1, initial_delay=0.01, max_delay=0.01, backoff=1.0, periodic=False).run()


def declare(total: int, due: int, instant: float) -> None:
    """They are in the code."""


def lead(total: int, due: int, instant: float) -> None:
    """What is due in this minute is enqueued as the process starts, which is the instant here."""
    for number in range(total):
        when = crontab() if number < due else crontab(month="2", day="29")
        huey.periodic_task(when, name=f"job_{number}")(lambda: None)
    huey.create_consumer(workers=0).run()
