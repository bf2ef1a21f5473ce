"""Procrastinate: its psycopg connector, LISTEN/NOTIFY, 100 jobs at once (its default: one)."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from procrastinate import App, PsycopgConnector

from tests.benchmarks.peers import chores
from tests.benchmarks.peers.perform import Clock

URL = os.environ["PEERS_POSTGRESQL"]
CONCURRENCY = 100

app = App(connector=PsycopgConnector(conninfo=URL))


@app.task(name="job")
async def job(number: int, timestamp: int = 0) -> None:
    await chores.do_in_the_loop(number)


def prepare() -> None:
    with app.open():
        app.schema_manager.apply_schema()


def enqueue(numbers: Iterable[int], clock: Clock) -> None:
    with app.open():
        left_open()
        with clock:
            for number in numbers:
                job.defer(number=number)


def bulk(numbers: Sequence[int], clock: Clock) -> None:
    with app.open():
        left_open()
        with clock:
            job.batch_defer(*({"number": number} for number in numbers))


def left() -> int:
    with app.open():
        return left_open()


def left_open() -> int:
    row = app.connector.get_sync_connector().execute_query_one(
        "SELECT count(*) AS count FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
    )
    return int(row["count"])


def work(*, quiet: bool, slots: int | None) -> None:
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO)

    async def run() -> None:
        if slots:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(slots))
        async with app.open_async():
            await app.run_worker_async(concurrency=slots or CONCURRENCY)

    asyncio.run(run())


def declare(total: int, due: int, instant: float) -> None:
    """They are in the code."""


def lead(total: int, due: int, instant: float) -> None:
    at = datetime.fromtimestamp(instant, UTC)
    then = f"{at.minute} * * * * {at.second}"
    later = f"{(at.minute + 30) % 60} * * * *"
    for number in range(total):
        app.periodic(cron=then if number < due else later, periodic_id=str(number), task_kwargs={"number": number})(job)
    app.run_worker(queues=["none"])
