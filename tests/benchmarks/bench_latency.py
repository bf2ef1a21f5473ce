"""From enqueueing to the start of the task, in a worker process that was idle. One job at a time, seldom.

The task tells a socket here when it began, by the monotonic clock, which is one for all processes of a machine. So
nobody asks the database whether it is done. It needs Unix sockets.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from django.db import connection

from tests.app.tasks import report_start
from tests.benchmarks import bare_worker
from tests.benchmarks.measure import Contender, Figures, percentiles, side_by_side
from tests.databases import url_of_this_run
from tests.processes import Process

JOBS = 60
PAUSE = 0.12
"""Seconds between two jobs: until then nobody looks again for what may have followed an announcement."""
WITHIN = 30.0

Enqueue = Callable[[str, int], object]
"""Given the address of the socket, and the number to tell it."""


def main(runs: int) -> None:
    contenders = [Contender("Carillon", ours)]
    if connection.vendor == "postgresql":
        contenders.append(Contender("bare psycopg: NOTIFY, claim, start", bare))
    side_by_side("From enqueueing to start, one job at a time", contenders, runs)


def ours() -> Figures:
    with _ears() as (ears, address), TemporaryDirectory() as folder:
        process = Process(("process_tasks",), Path(folder) / "output", {})
        try:
            return _latencies(report_start, ears, address)
        finally:
            process.send(signal.SIGTERM)
            process.wait(within=WITHIN)


def bare() -> Figures:
    url = url_of_this_run()
    with _ears() as (ears, address), psycopg.connect(url, autocommit=True) as session:
        session.execute(bare_worker.CREATE)
        process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.bare_worker", url, address])
        try:
            return _latencies(lambda _, number: session.execute(bare_worker.ENQUEUE, [number]), ears, address)
        finally:
            process.kill()
            process.wait()


@contextmanager
def _ears() -> Iterator[tuple[socket.socket, str]]:
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        address = f"{folder}/ears"
        ears.bind(address)
        ears.settimeout(WITHIN)
        yield ears, address


def _latencies(enqueue: Enqueue, ears: socket.socket, address: str) -> Figures:
    """The first job finds whether the worker is there."""
    seconds = [_latency(enqueue, number, ears, address) for number in range(JOBS + 1)]
    return percentiles(seconds[1:])


def _latency(enqueue: Enqueue, number: int, ears: socket.socket, address: str) -> float:
    begun = time.monotonic()
    enqueue(address, number)
    told, started_at = ears.recv(100).split()
    assert int(told) == number, f"job {number} was enqueued, and job {told!r} was started"
    time.sleep(PAUSE)
    return float(started_at) - begun
