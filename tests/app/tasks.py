"""Tasks that leave a trace of each run, and tasks that misbehave. They know nothing of what a test expects."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
import weakref
from collections import defaultdict
from contextlib import closing
from typing import NoReturn

from django.db import connection

from schedules import background
from tests.app.models import Effect
from worker import Cancel, Snooze, current_job


@background
def leave_trace(trace: str) -> None:
    Effect.objects.create(key=trace)


@background
def hold(trace: str) -> None:
    """Leave a trace, and keep the slot until a test opens the gate of that name."""
    gate = gates[trace]
    Effect.objects.create(key=trace)
    gate.wait(timeout=30)


@background
def tell_and_hold(trace: str, done: float) -> None:
    """Tell how much is done, and keep the slot until a test opens the gate of that name."""
    job = current_job()
    assert job is not None
    job.progress(done, note=trace)
    gates[trace].wait(timeout=30)


@background
def carry(number: int, load: str) -> None:
    """Tell how much it was given, and keep the slot until a test opens the gate "carry"."""
    Effect.objects.create(key=f"{number}: {len(load)}")
    gates["carry"].wait(timeout=30)


gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)
"""What holds the runs of `hold`, by their traces, and those of `carry`."""


@background(max_attempts=1)
def fail(message: str) -> None:
    raise RuntimeError(message)


@background(backoff=[0])
def fail_at_first(trace: str) -> None:
    """Leave a trace; raise unless there was one already."""
    seen = Effect.objects.filter(key=trace).exists()
    Effect.objects.create(key=trace)
    if not seen:
        raise ConnectionError("The other side was not there yet.")


@background
def snooze_at_first(trace: str) -> None:
    """Leave a trace; ask to be run again unless there was one already."""
    seen = Effect.objects.filter(key=trace).exists()
    Effect.objects.create(key=trace)
    if not seen:
        raise Snooze(0)


@background
def cancel(reason: str) -> None:
    raise Cancel(reason)


@background(max_attempts=1)
def call_exit(code: int) -> None:
    raise SystemExit(code)


class Unshowable:
    """Whatever is asked of it raises."""

    def _refuse(self, *_: object) -> NoReturn:
        raise RuntimeError("I will not be looked at.")

    __repr__ = __str__ = __len__ = __bool__ = __eq__ = __iter__ = __reduce__ = _refuse
    __hash__ = object.__hash__


@background
def return_unshowable() -> Unshowable:
    result = Unshowable()
    returned.append(weakref.ref(result))
    return result


returned: list[weakref.ref[Unshowable]] = []
"""What `return_unshowable` has returned, as long as somebody keeps it."""


@background
def lose_the_session(trace: str) -> None:
    """Leave a trace; then the server ends the slot's session, of which nothing is heard."""
    Effect.objects.create(key=trace)
    end, mine, there = {
        "postgresql": (
            "SELECT pg_terminate_backend(%s)",
            "SELECT pg_backend_pid()",
            "SELECT count(*) FROM pg_stat_activity WHERE pid = %s",
        ),
        "mysql": (
            "KILL CONNECTION %s",
            "SELECT CONNECTION_ID()",
            "SELECT count(*) FROM information_schema.processlist WHERE id = %s",
        ),
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(mine)
        number = cursor.fetchone()
    other = connection.copy()
    with closing(other), other.cursor() as cursor:
        cursor.execute(end, number)
        is_there = True
        while is_there:  # or the next job might be faster than the server
            cursor.execute(there, number)
            (is_there,) = cursor.fetchone()


@background
def leave_transaction_open() -> None:
    connection.set_autocommit(False)
    Effect.objects.create(key="never committed")


@background
def leave_orphan(trace: str) -> None:
    """Start a process that outlives its parent, and tell with which code that ended."""
    parent = subprocess.run(["/bin/sh", "-c", "sleep 0.1 & exit 7"])
    Effect.objects.create(key=f"{trace}: {parent.returncode}")


@background
def nothing(number: int) -> None:
    """Do nothing at all."""


@background
def report_start(address: str, number: int) -> None:
    """Tell a Unix socket when this run began, by the monotonic clock."""
    started_at = time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears:
        ears.sendto(f"{number} {started_at}".encode(), address)


@background
def await_trace(trace: str) -> None:
    """Leave a trace, and keep the slot until there is another, in whatever process."""
    Effect.objects.create(key=trace)
    while Effect.objects.count() == 1:
        time.sleep(0.05)
