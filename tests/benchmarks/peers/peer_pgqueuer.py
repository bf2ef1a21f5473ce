"""PgQueuer: asyncpg and uvloop, as it advises; logged tables (its default); batches of 500 (its default: 10)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Sequence
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.core.logconfig import LogLevel, setup_fancy_logger
from pgqueuer.models import Job

from tests.benchmarks.peers.perform import Clock
from tests.benchmarks.peers.record import began

URL = os.environ["PEERS_POSTGRESQL"]
BATCH_SIZE = 500


def prepare() -> None:
    async def install() -> None:
        await (await _queries()).install()

    uvloop.run(install())


def enqueue(numbers: Iterable[int], clock: Clock) -> None:
    async def enqueue() -> None:
        queries = await _queries()
        with clock:
            for number in numbers:
                await queries.enqueue("job", b"%d" % number)

    uvloop.run(enqueue())


def bulk(numbers: Sequence[int], clock: Clock) -> None:
    async def enqueue() -> None:
        queries = await _queries()
        with clock:
            payloads = [b"%d" % number for number in numbers]
            await queries.enqueue(["job"] * len(numbers), payloads, [0] * len(numbers))

    uvloop.run(enqueue())


def left() -> int:
    async def count() -> int:
        return sum(each.count for each in await (await _queries()).queue_size())

    return uvloop.run(count())


def work(*, quiet: bool) -> None:
    setup_fancy_logger(LogLevel.WARNING if quiet else LogLevel.INFO)

    async def run() -> None:
        queuer = PgQueuer.from_asyncpg_connection(await asyncpg.connect(URL))

        @queuer.entrypoint("job")
        async def job(job: Job) -> None:
            began(int(job.payload or b""))

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, queuer.shutdown.set)
        await queuer.run(batch_size=BATCH_SIZE, dequeue_timeout=timedelta(seconds=30))

    uvloop.run(run())


async def _queries() -> Queries:
    return Queries.from_asyncpg_connection(await asyncpg.connect(URL))
