"""The heartbeat of a worker whose loop is held up: behind a lock, in a long statement, by a receiver of a signal.

The loop gives signs of life between its other steps. One step may take longer than a worker may be silent: for
instance, a lock on the history delays recording. Then its jobs would be given to others although it is alive. So a
thread watches the loop, and gives signs of life in its place. Only then does it open a session.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType

from django.db import DatabaseError, InterfaceError

from worker import roster
from worker.clock import Monotonic
from worker.options import options
from worker.process.standing import Standing
from worker.sessions.connection import private_connection


class Pulse:
    """For the worker of that standing, in the database `alias`, while the block lasts: a session of its loop.

    Where the database takes nothing from it either, the loop will say so.
    """

    def __init__(self, alias: str, standing: Standing, clock: Monotonic) -> None:
        self.alias = alias
        self.standing = standing
        self._clock = clock
        self._over = threading.Event()

    def __enter__(self) -> None:
        self._over = threading.Event()
        threading.Thread(target=self._watch, args=[self._over], name="carillon-pulse", daemon=True).start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()

    def _watch(self, over: threading.Event) -> None:
        pause = self._seconds_in_time()
        while not over.wait(pause):
            if (pause := self._seconds_in_time()) <= 0:
                with suppress(DatabaseError, InterfaceError):
                    self._stand_in(over)
                pause = options().HEARTBEAT / 2

    def _stand_in(self, over: threading.Event) -> None:
        with private_connection(self.alias, "pulse") as using:
            while self._seconds_in_time() <= 0 and not over.is_set():
                if self.standing.signed_in_as is not None:
                    roster.beat(using, self.standing.signed_in_as)
                over.wait(options().HEARTBEAT)

    def _seconds_in_time(self) -> float:
        """Until the loop is so late that it must be held up."""
        return self.standing.beat_at + options().HEARTBEAT / 2 - self._clock.monotonic()
