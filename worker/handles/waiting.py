"""Waiting until a job is finished: look at growing pauses, and be woken where the database can tell.

Most of what somebody waits for takes a moment, so the first looks need nothing but the session that there is. Who waits
for longer joins those of this process who wait: one thread hears for all of them, in a session of its own, for as long
as anybody waits.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.transaction import TransactionManagementError, get_autocommit

from worker.calls import Explained
from worker.current import current_job
from worker.dialects.by_key import row_by_key
from worker.messages.expected import is_number, must_be
from worker.models import FinishedJob, Job
from worker.options import options
from worker.patience import Patience
from worker.wakeup.asking import is_told
from worker.wakeup.ends import ENDS
from worker.wakeup.listening import Listener

FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.5
"""Seconds between two looks where nobody tells. The pauses grow, so a wait is at most twice as long as it must be."""
LONGEST_PAUSE_IF_TOLD = 1.0
"""Seconds between two looks where somebody tells."""
JOINS_AFTER = 0.04
"""Seconds of a pause from which on it is worth a session of its own."""
LONGEST_TIMEOUT = 100 * 366 * 86_400
"""Seconds."""

Wake = Callable[[], None]


class NotFinished(TimeoutError):
    """The job is not finished, and the time to wait for it is over."""

    __module__ = "worker.api"


class Wait:
    """One wait for one job. It is asked what to do next, and does not sleep itself: sync and async code do."""

    def __init__(self, id: int, timeout: float | None, where: str, wake: Wake) -> None:
        """Raises ValueError for a timeout that is none, or that a task must give."""
        self.id = id
        self.timeout = math.inf if timeout is None else _checked(timeout, where)
        self.wake = wake
        self.where = where
        self._deadline = time.monotonic() + self.timeout
        self._patience = Patience(LONGEST_PAUSE, FIRST_PAUSE)
        self._heard = ExitStack()
        self._joined = False
        self._closed = False
        self._closing = threading.Lock()
        if timeout is None and current_job() is not None:
            raise ValueError(
                f"{where}: timeout is None, but must be a number of seconds in a task: while it waits it keeps its "
                "slot, and where all slots wait, nothing that they wait for can run."
            )

    def look(self) -> FinishedJob | None:
        """The job, once it is finished. Raises LookupError for one that is nowhere."""
        using = options().DATABASE
        with Explained(self.where, using, "await ….await_finished(…)"):
            is_live = Job.objects.using(using).filter(pk=self.id).exists()
            finished = None if is_live else row_by_key(FinishedJob, self.id, using)
            if is_live:
                self._require_no_transaction(using)
            elif finished is None:
                raise LookupError(self.id)
            return finished

    def pause(self) -> float:
        """Seconds until the next look, unless it is woken. Raises NotFinished."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise NotFinished(f"Job {self.id} is not finished after {self.timeout:g} s.")
        pause = self._patience.next()
        if pause >= JOINS_AFTER and not self._joined:
            self._join()
            return 0.0  # what has ended since the last look is told to nobody
        return min(pause, left)

    def close(self) -> None:
        """Async code that is cancelled comes here while `pause` goes on in its thread."""
        with self._closing:
            self._closed = True
            self._heard.close()

    def _join(self) -> None:
        self._joined = True
        alias = options().DATABASE
        if can_be_told(alias):
            self._patience.longest = LONGEST_PAUSE_IF_TOLD
            with self._closing:
                if not self._closed:
                    join(alias, str(self.id), self.wake)
                    self._heard.callback(leave, alias, str(self.id), self.wake)

    def _require_no_transaction(self, using: str) -> None:
        if not get_autocommit(using):  # an atomic block has none either
            raise TransactionManagementError(
                f"{self.where} in a transaction: job {self.id} may have been enqueued in it, and then it runs only "
                "after its end. Wait behind the atomic block, for instance in transaction.on_commit."
            )


def wait(id: int, timeout: float | None, where: str) -> FinishedJob:
    """Raises ValueError, NotFinished, TransactionManagementError, and LookupError where the job is nowhere."""
    event = threading.Event()
    under_way = Wait(id, timeout, where, event.set)
    try:
        while True:
            event.clear()
            if (finished := under_way.look()) is not None:
                return finished
            event.wait(under_way.pause())
    finally:
        under_way.close()


async def await_finished(id: int, timeout: float | None, where: str) -> FinishedJob:  # noqa: ASYNC109  as its twin has
    """The same in async code. It needs no thread but for the moment of a look."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(event.set)

    under_way = Wait(id, timeout, where, wake)
    try:
        while True:
            event.clear()
            if (finished := await sync_to_async(under_way.look)()) is not None:
                return finished
            pause = await sync_to_async(under_way.pause)()
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), pause)
    finally:
        under_way.close()


def _checked(timeout: object, where: str) -> float:
    if is_number(timeout, 0, LONGEST_TIMEOUT):
        return float(timeout)
    raise ValueError(f"{where}: {must_be('timeout', timeout, f'None, or seconds from 0 to {LONGEST_TIMEOUT}')}")


# Those who wait in this process


class _Wakes(list[Wake]):
    """All who wait for one job."""

    def __call__(self) -> None:
        for wake in list(self):
            wake()


class _Room:
    """All who wait for jobs of one database, and the one who hears for them."""

    def __init__(self, alias: str) -> None:
        self.wakes: dict[str, _Wakes] = {}
        self.listener = Listener(alias, self.wakes, ENDS, "waiter")
        self.listener.start()


_rooms: dict[str, _Room] = {}
_lock = threading.Lock()


def can_be_told(alias: str) -> bool:
    """A database in memory is another one in each session."""
    connection = connections[alias]
    in_memory = connection.vendor == "sqlite" and connection.is_in_memory_db()  # type: ignore[attr-defined]
    return not in_memory and is_told(alias)


def join(alias: str, topic: str, wake: Wake) -> None:
    """Call `wake`, from another thread, whenever it seems that the job has ended. Then `leave`."""
    with _lock:
        room = _rooms.get(alias)
        if room is None:
            room = _rooms[alias] = _Room(alias)
        room.wakes.setdefault(topic, _Wakes()).append(wake)
        room.listener.ring()


def leave(alias: str, topic: str, wake: Wake) -> None:
    with _lock:
        room = _rooms[alias]
        wakes = room.wakes[topic]
        wakes.remove(wake)
        if not wakes:
            del room.wakes[topic]
        if not room.wakes:
            _rooms.pop(alias).listener.end()
