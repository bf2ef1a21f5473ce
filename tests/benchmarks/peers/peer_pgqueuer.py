"""PgQueuer: asyncpg and uvloop, as it advises; logged tables (its default); batches of 500 (its default: 10)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.core.logconfig import LogLevel, setup_fancy_logger
from pgqueuer.models import Job

from tests.benchmarks.peers import chores
from tests.benchmarks.peers.perform import Clock

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


def work(*, quiet: bool, slots: int | None) -> None:
    setup_fancy_logger(LogLevel.WARNING if quiet else LogLevel.INFO)

    async def run() -> None:
        queuer = PgQueuer.from_asyncpg_connection(await asyncpg.connect(URL))

        @queuer.entrypoint("job")
        async def job(job: Job) -> None:
            await chores.do_in_the_loop(int(job.payload or b""))

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, queuer.shutdown.set)
        if slots:
            loop.set_default_executor(ThreadPoolExecutor(slots))
        await queuer.run(dequeue_timeout=timedelta(seconds=30), **_limits(slots))

    uvloop.run(run())


def _limits(slots: int | None) -> dict[str, int]:
    """Rows are written by the threads of the loop's executor, which limit themselves. Its own limit is two batches."""
    if slots is None or chores.CHORE in chores.WRITES:
        return {"batch_size": BATCH_SIZE}
    batch = max(1, slots // 2)
    return {"batch_size": batch, "max_concurrent_tasks": 2 * batch}


async def _queries() -> Queries:
    return Queries.from_asyncpg_connection(await asyncpg.connect(URL))
