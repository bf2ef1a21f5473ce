"""What each job of a run does: nothing, unless the environment names a chore. Knows no queue.

Rows are written through Django's ORM, whichever the queue. A queue that is an app of a Django project has set Django
up before it comes here; for the others `traces.py` does.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from tests.benchmarks.peers.record import at_work, began

VARIABLE = "PEERS_CHORE"

NOTHING, INSERT, INSERT_ATOMICALLY, SLEEP, COMPUTE = "nothing", "insert", "insert_atomically", "sleep", "compute"
GIVE = "give"
CHORE = os.environ.get(VARIABLE, NOTHING)
WRITES = (INSERT, INSERT_ATOMICALLY)
GIVEN = "x" * 1022 if CHORE == GIVE else None
"""What each job returns. As JSON, this text has a kibibyte."""

_SLEEP = 0.01
_COMPUTE = 0.02

if CHORE in WRITES:
    from django.db import transaction

    from tests.benchmarks.peers.traces import Trace


def insert(number: int) -> None:
    with at_work(number):
        Trace.objects.create(number=number)


def insert_atomically(number: int) -> None:
    """For a queue that has no transaction of its own to offer. Its record is made in another one, afterwards."""
    with at_work(number), transaction.atomic():
        Trace.objects.create(number=number)


def sleep(number: int) -> None:
    with at_work(number):
        time.sleep(_SLEEP)


def compute(number: int) -> None:
    """Use the processor for so long, however many others use it too."""
    with at_work(number):
        until = time.thread_time() + _COMPUTE
        while time.thread_time() < until:
            pass


def give(number: int) -> str | None:
    began(number)
    return GIVEN


async def _nothing_in_the_loop(number: int) -> None:
    began(number)


async def _sleep_in_the_loop(number: int) -> None:
    with at_work(number):
        await asyncio.sleep(_SLEEP)


async def _in_a_thread(number: int) -> None:
    await asyncio.to_thread(do, number)


do: Callable[[int], str | None] = {
    NOTHING: began,
    INSERT: insert,
    INSERT_ATOMICALLY: insert_atomically,
    SLEEP: sleep,
    COMPUTE: compute,
    GIVE: give,
}[CHORE]
"""This run's chore."""

do_in_the_loop: Callable[[int], Awaitable[None]] = {
    NOTHING: _nothing_in_the_loop,
    SLEEP: _sleep_in_the_loop,
}.get(CHORE, _in_a_thread)
"""The same for a queue that runs coroutines: what blocks goes to a thread of the loop's executor."""
