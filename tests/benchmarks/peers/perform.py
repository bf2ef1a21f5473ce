"""A peer's side of the talk: the same commands for every queue, each answered with one line of JSON.

    python -m tests.benchmarks.peers.perform PEER COMMAND [NUMBER]…

Runs in the peer's own environment, so it needs nothing but the standard library. What the queue is called and how it
is used is the peer module's business; what the answers mean is the driver's.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, Protocol


class Clock:
    """Counts the seconds in its block: a peer opens its connections outside."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._begun


class Peer(Protocol):
    """What a peer module offers. Its stores are in the environment: see `stores.py`."""

    def prepare(self) -> None:
        """Make what the queue needs in its empty store."""

    def enqueue(self, numbers: Iterable[int], clock: Clock) -> None:
        """Enqueue a job for each number, one by one, each committed, through one open connection."""

    def bulk(self, numbers: Sequence[int], clock: Clock) -> None:
        """Enqueue a job for each number, in the queue's way to enqueue many."""

    def left(self) -> int:
        """Jobs that are not finished."""

    def work(self, *, quiet: bool, slots: int | None) -> None:
        """Be a worker process until a signal ends it. Each job does this run's chore (`chores.py`).

        It logs as the queue's own command does by default; `quiet`: warnings and errors only. `slots`: so many jobs
        at once, which is asked of a contender that has slots; None: as its module says.
        """

    def declare(self, total: int, due: int, instant: float) -> None:
        """Bring the store's schedules to this: so many in all, so many of them due at that instant, the rest later."""

    def lead(self, total: int, due: int, instant: float) -> None:
        """Be the process that turns due schedules into jobs, and run none of them."""


Answer = dict[str, Any]


def prepare(peer: Peer) -> Answer:
    peer.prepare()
    return {}


def enqueue(peer: Peer, count: float) -> Answer:
    clock = Clock()
    peer.enqueue(range(int(count)), clock)
    return {"seconds": clock.seconds}


def bulk(peer: Peer, count: float) -> Answer:
    clock = Clock()
    peer.bulk(range(int(count)), clock)
    return {"seconds": clock.seconds}


def enqueue_now_and_then(peer: Peer, count: float, pause: float) -> Answer:
    """Pauses are irregular, so that they do not fall in step with anybody's polling."""
    called: list[float] = []

    def numbers() -> Iterator[int]:
        for number in range(int(count)):
            time.sleep(pause * random.uniform(1, 2))
            called.append(time.perf_counter())
            yield number

    peer.enqueue(numbers(), Clock())
    return {"called": called}


def enqueue_tasks(peer: Peer, count: float) -> Answer:
    clock = Clock()
    framework().enqueue(range(int(count)), clock)
    return {"seconds": clock.seconds}


def enqueue_tasks_at_once(peer: Peer, count: float) -> Answer:
    framework().enqueue_at_once(range(int(count)))
    return {}


def get_results(peer: Peer) -> Answer:
    """Of what was enqueued by the last command that enqueues Tasks."""
    clock = Clock()
    as_expected = framework().get_results(clock)
    return {"seconds": clock.seconds, "as_expected": as_expected}


def framework() -> Any:
    """Once the peer is imported, which sets up Django with its backend in `TASKS`."""
    return import_module("tests.benchmarks.peers.framework")


def left(peer: Peer) -> Answer:
    return {"left": peer.left()}


def make_table(peer: Peer) -> Answer:
    """For what jobs write."""
    traces().make_table()
    return {}


def written(peer: Peer) -> Answer:
    return {"rows": traces().Trace.objects.count()}


def traces() -> Any:
    """Once the peer is imported, since it may set up Django itself."""
    return import_module("tests.benchmarks.peers.traces")


def work(peer: Peer, *slots: float) -> Answer:
    _wait_for_the_word()
    return _work(peer, *slots, quiet=False)


def work_quietly(peer: Peer, *slots: float) -> Answer:
    _wait_for_the_word()
    return _work(peer, *slots, quiet=True)


def work_at_once(peer: Peer) -> Answer:
    _say_ready()
    return _work(peer, quiet=False)


def _work(peer: Peer, slots: float = 0, *, quiet: bool) -> Answer:
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a log goes into a file, and nobody reads the pipe any more
    peer.work(quiet=quiet, slots=int(slots) or None)
    return {}


def declare(peer: Peer, total: float, due: float, instant: float) -> Answer:
    peer.declare(int(total), int(due), instant)
    return {}


def lead(peer: Peer, total: float, due: float, instant: float) -> Answer:
    _wait_for_the_word()
    peer.lead(int(total), int(due), instant)
    return {}


def watch(peer: Peer, due: float, instant: float, patience: float) -> Answer:
    """Seconds from the instant until all that was due is enqueued, to 5 ms."""
    time.sleep(max(0.0, instant - time.time()))
    while (enqueued := peer.left()) < due and time.time() < instant + patience:
        time.sleep(0.005)
    return {"seconds": time.time() - instant, "enqueued": enqueued}


COMMANDS: dict[str, Callable[..., Answer]] = {
    each.__name__: each
    for each in (
        prepare,
        make_table,
        enqueue,
        bulk,
        enqueue_now_and_then,
        enqueue_tasks,
        enqueue_tasks_at_once,
        get_results,
        left,
        written,
        work,
        work_quietly,
        work_at_once,
        declare,
        lead,
        watch,
    )
}


def _wait_for_the_word() -> None:
    """All is imported; the driver lets all workers go at once."""
    _say_ready()
    sys.stdin.readline()


def _say_ready() -> None:
    print(json.dumps({"ready": True}), flush=True)


if __name__ == "__main__":
    module, command, *numbers = sys.argv[1:]
    peer: Any = import_module(f"tests.benchmarks.peers.{module}")
    print(json.dumps(COMMANDS[command](peer, *map(float, numbers))), flush=True)
