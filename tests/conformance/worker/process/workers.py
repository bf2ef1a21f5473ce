"""Real workers in threads of the test, and the sessions that they open, so that a test can cut them.

Decides that no worker outlives its test. Knows nothing of which jobs there are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

import pytest
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import Signal

from tests.app.tasks import gates
from tests.conformance.worker.queue.jobs import ALIAS, another_session
from tests.processes import eventually
from worker.process.loop import Loop
from worker.process.worker import Worker


def led(using: str) -> float:
    """A leader gives a sign of life whenever somebody looks, so workers leave the chores to it."""
    return time.monotonic()


def unled(using: str) -> None:
    """Nobody ever led."""


class Hand:
    """A worker that works in a thread of its own."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="carillon-hand", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as failure:  # noqa: BLE001  raised again in the test's own thread
            self.failure = failure
        finally:
            connections.close_all()

    @property
    def works(self) -> bool:
        return self._thread.is_alive()

    @property
    def loop(self) -> Loop:
        """Of a worker that has begun."""
        assert self.worker.loop is not None
        return self.worker.loop

    @property
    def id(self) -> int | None:
        """By which it has signed in; None: it has not yet."""
        return self.worker.loop.standing.signed_in_as if self.worker.loop else None

    @property
    def patience(self) -> float:
        """Seconds until it asks again, the next time that it finds nothing; 0: it has not begun."""
        return self.worker.loop.patience.seconds if self.worker.loop else 0.0

    def stop(self) -> None:
        """Ask it to stop, once more if it was asked already."""
        self.worker.stop()

    def wait(self, within: float = 10.0) -> None:
        """Wait until it has ended; raise what ended it, if that was an error."""
        self._thread.join(timeout=within)
        if self.failure is not None:
            raise self.failure
        if self.works:
            pytest.fail(f"The worker still works after {within} s.")


@dataclass(frozen=True)
class Session:
    """A session that somebody opened, and its number at the server."""

    connection: BaseDatabaseWrapper
    number: int

    @classmethod
    def of(cls, connection: BaseDatabaseWrapper) -> Session:
        return cls(connection, _NUMBER[connection.vendor](connection.connection))

    @property
    def alias(self) -> str:
        return self.connection.alias


class Crew:
    """The workers of one test, and what they told."""

    def __init__(self) -> None:
        self.hands: list[Hand] = []
        self.sessions: list[Session] = []

    def start(self, *, threads: int = 4, leader_sign: Callable[[str], Hashable] = led, **options: Any) -> Hand:
        hand = Hand(Worker(ALIAS, threads=threads, leader_sign=leader_sign, **options))
        self.hands.append(hand)
        return hand

    def work_until_idle(self, **options: Any) -> None:
        """A worker does all that is due, and ends."""
        self.start(until_idle=True, **options).wait(within=30)

    def dismiss(self) -> None:
        """Open every gate, and end all workers with their slots."""
        for hand in self.hands:
            hand.stop()
            hand.stop()
        for gate in gates.values():
            gate.set()
        for hand in self.hands:
            hand.wait()
        eventually(lambda: not slots() and not pulses(), within=30)
        gates.clear()


@contextmanager
def crew_of_test() -> Iterator[Crew]:
    crew = Crew()

    def remember(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
        crew.sessions.append(Session.of(connection))

    connection_created.connect(remember)
    try:
        yield crew
    finally:
        crew.dismiss()
        connection_created.disconnect(remember)


def pulses() -> list[threading.Thread]:
    """The threads that give signs of life where loops are late."""
    return [thread for thread in threading.enumerate() if thread.name == "carillon-pulse"]


def slots() -> list[threading.Thread]:
    """The threads that run jobs."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("carillon-slot")]


def cut(session: Session) -> None:
    """End a session from outside, as a server or an operator does. A SQLite file has no server: its disk is gone."""
    if session.connection.vendor == "sqlite":
        session.connection.execute_wrappers.append(_without_disk)
        return
    with another_session() as other, connections[other].cursor() as cursor:
        cursor.execute(_CUT[session.connection.vendor], [session.number])


_NUMBER: dict[str, Callable[[Any], int]] = {
    "postgresql": lambda session: int(session.info.backend_pid),
    "mysql": lambda session: int(session.thread_id()),
    "sqlite": id,
}
_CUT = {"postgresql": "SELECT pg_terminate_backend(%s)", "mysql": "KILL CONNECTION %s"}


def _without_disk(*_: Any) -> NoReturn:
    raise OperationalError("disk I/O error")


@contextmanager
def heard(signal: Signal) -> Iterator[list[dict[str, Any]]]:
    """What receivers of the signal are told, call by call."""
    told: list[dict[str, Any]] = []

    def listen(**what: Any) -> None:
        told.append(what)

    signal.connect(listen)
    try:
        yield told
    finally:
        signal.disconnect(listen)


class Sleep(NamedTuple):
    """What a loop said that it may sleep."""

    due: datetime | None
    """When it knew then that the next job is to be promoted."""
    now: datetime
    seconds: float


@contextmanager
def sleeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Sleep]]:
    """How long the loops of workers say that they sleep, turn by turn: a busy machine makes none of it longer."""
    said: list[Sleep] = []
    say = Loop._sleep

    def listen(loop: Loop, due: datetime | None) -> float:
        now = loop.clock.now()
        said.append(Sleep(due, now, say(loop, due)))
        return said[-1].seconds

    with monkeypatch.context() as patched:
        patched.setattr(Loop, "_sleep", listen)
        yield said
