"""Oban for Python: uvloop and orjson, as its command line does; 200 jobs at once (its example: 10)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import orjson
import uvloop
from oban import Job, Oban, worker
from oban.schema import install
from oban.telemetry import logger as telemetry_logger
from psycopg.types.json import set_json_dumps, set_json_loads

from tests.benchmarks.peers import chores
from tests.benchmarks.peers.perform import Clock

URL = os.environ["PEERS_POSTGRESQL"]
LIMIT = 200

set_json_dumps(orjson.dumps)
set_json_loads(orjson.loads)


@worker(queue="default")
class Noop:
    async def process(self, job: Job) -> None:
        await chores.do_in_the_loop(job.args["number"])


def prepare() -> None:
    async def make() -> None:
        pool = await Oban.create_pool(URL)
        await install(pool)
        await pool.close()

    uvloop.run(make())


def enqueue(numbers: Iterable[int], clock: Clock) -> None:
    async def enqueue() -> None:
        pool = await Oban.create_pool(URL)
        async with Oban(pool=pool) as oban:
            with clock:
                for number in numbers:
                    await oban.enqueue(Noop.new({"number": number}))
        await pool.close()

    uvloop.run(enqueue())


def bulk(numbers: Sequence[int], clock: Clock) -> None:
    async def enqueue() -> None:
        pool = await Oban.create_pool(URL)
        async with Oban(pool=pool) as oban:
            with clock:
                await oban.enqueue_many(Noop.new({"number": number}) for number in numbers)
        await pool.close()

    uvloop.run(enqueue())


def left() -> int:
    async def count() -> int:
        pool = await Oban.create_pool(URL)
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT count(*) FROM oban_jobs WHERE state IN ('available', 'executing', 'scheduled', 'retryable')"
            )
            row = await cursor.fetchone()
        await pool.close()
        return int(row[0])

    return uvloop.run(count())


def work(*, quiet: bool, slots: int | None) -> None:
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO)
    if not quiet:
        telemetry_logger.attach()
    uvloop.run(_run({"default": LIMIT}))


def declare(total: int, due: int, instant: float) -> None:
    """They are in the code."""


def lead(total: int, due: int, instant: float) -> None:
    at = datetime.fromtimestamp(instant, UTC)
    for number in range(total):
        minute = at.minute if number < due else (at.minute + 30) % 60
        worker(queue="default", cron=f"{minute} * * * *")(type(f"Noop{number}", (Noop,), {}))
    uvloop.run(_run({"none": 1}))


async def _run(queues: dict[str, int]) -> None:
    pool = await Oban.create_pool(URL)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with Oban(pool=pool, queues=queues):
        await ended.wait()
    await pool.close()
