"""Crews of real processes: leaders, workers and clients on the test database, and waiting for what they do."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.chaos import scale
from tests.chaos.calls import calls_of
from tests.chaos.proxy import Proxy
from tests.databases import VARIABLE, url_of_this_run
from tests.processes import Process, StartProcess, eventually
from worker.models import Job, WorkerProcess

SECONDS_TO_START = 30.0
SECONDS_TO_STOP = 10.0


class Crew:
    """Starts processes under the same settings, and knows what the clients among them were to do."""

    def __init__(self, start: StartProcess) -> None:
        self._start = start
        self._clients = 0
        self.schedules: dict[str, dict[str, Any]] = {}
        """`settings.SCHEDULES` of the processes that are started from now on."""
        self.scheduler: dict[str, Any] = {}
        """`settings.SCHEDULER`, likewise."""
        self.environment: dict[str, str] = {}
        """What else these processes find in theirs."""
        self.url = url_of_this_run()
        """The database of the processes, or the way to it."""
        self.calls: list[str] = []
        """The labels of the calls that the clients make and commit."""

    def start(self, *arguments: str) -> Process:
        return self._start(
            *arguments,
            environment={
                **self.environment,
                VARIABLE: self.url,
                "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
                "CARILLON_CHAOS_SCHEDULES": json.dumps(self.schedules),
                "CARILLON_CHAOS_SCHEDULER": json.dumps(self.scheduler),
            },
        )

    @contextmanager
    def behind(self, proxy: Proxy) -> Iterator[None]:
        """Processes that are started in this block reach the database through the proxy."""
        direct = self.url
        user = urlsplit(direct).netloc.rpartition("@")[0]
        self.url = urlsplit(direct)._replace(netloc=f"{user}@127.0.0.1:{proxy.port}").geturl()
        try:
            yield
        finally:
            self.url = direct

    def leader(self, *options: str) -> Process:
        return self.start("process_tasks", "--leader", *options)

    def worker(self, *options: str) -> Process:
        """A worker that has signed in."""
        process = self.start("process_tasks", *options)
        eventually(lambda: id_of(process), within=SECONDS_TO_START)
        return process

    def clients(self, calls: int = scale.CALLS) -> list[Process]:
        """Four of them, each making so many calls that are kept."""
        return [self._client(calls) for _ in range(scale.CLIENTS)]

    def _client(self, calls: int) -> Process:
        self._clients += 1
        name = f"client {self._clients}"
        self.calls += [call.label for call in calls_of(name, calls) if not call.undone]
        return self.start("make_calls", name, str(calls))


def id_of(process: Process) -> int | None:
    """Under which id a worker process has signed in."""
    names = WorkerProcess.objects.filter(name__endswith=f":{process.pid}")
    return names.values_list("pk", flat=True).first()


def mib_of(process: Process, what: str = "VmRSS") -> float:
    """Its memory, as Linux tells it: what is resident, or "VmSize", what it may ask for."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (kib,) = re.findall(rf"{what}:\s+(\d+) kB", status)
    return int(kib) / 1024


def says(process: Process, words: str) -> Callable[[], bool]:
    return lambda: words in process.output


def wait(seconds: float) -> None:
    """While others do something."""
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= until, within=seconds + 60)


def wait_until_drained() -> None:
    eventually(lambda: not Job.objects.exists(), within=60 + 2 * scale.SECONDS)


def stop(*processes: Process) -> None:
    """Ask them to end, and see that they do so as they should."""
    for process in processes:
        process.send(signal.SIGTERM)
    for process in processes:
        assert process.wait(within=SECONDS_TO_STOP) == 0, process.output
