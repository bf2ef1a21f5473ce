"""Tasks that leave a trace of each run: which job it was. So what ran can be compared with what was to run."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.dispatch import receiver

from schedules import background
from tests.app.models import Effect
from worker.signals import job_started
from worker.values import ClaimedJob

_this_slot = threading.local()


@receiver(job_started)
def _remember(job: ClaimedJob, **_: Any) -> None:
    _this_slot.job_id = job.id


def _leave_trace() -> None:
    Effect.objects.create(key=str(_this_slot.job_id))


@background
def count(label: str) -> None:
    _leave_trace()


@background(atomic=True)
def count_atomically(label: str) -> None:
    """Dawdles between its trace and its end, where it is to be killed."""
    _leave_trace()
    threading.Event().wait(0.02)


@background
def count_slowly(label: str, seconds: float) -> None:
    """Holds its slot for so long."""
    _leave_trace()
    threading.Event().wait(seconds)


@background
def count_and_wait(label: str, mark: str) -> None:
    """Holds its slot until there is a file of that name."""
    _leave_trace()
    while not Path(mark).exists():
        threading.Event().wait(0.05)


@background
def write_slowly(label: str, seconds: float) -> None:
    """Holds what it has locked for so long: on SQLite that is the whole file."""
    with transaction.atomic():
        _leave_trace()
        threading.Event().wait(seconds)


@background(backoff=[0.2])
def fail_at_first(label: str) -> None:
    _leave_trace()
    if Effect.objects.filter(key=str(_this_slot.job_id)).count() == 1:
        raise ConnectionError("The other side was not there yet.")


@background
def end_the_process(label: str, how: str) -> None:
    """As a fault in a C library does, the out-of-memory killer, or a call of `os._exit`."""
    _leave_trace()
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.Signals[how])
    threading.Event().wait()


@background(atomic=True)
def count_and_be_killed(step: str, mark: str) -> None:
    """SIGKILL at that step of its first run, which leaves a file as its mark."""
    _leave_trace()
    if not Path(mark).exists():
        Path(mark).touch()
        KILLED[step]()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_before_commit() -> None:
    """PostgreSQL is asked for it together with the record."""

    def die_before_both(execute: Callable[..., Any], sql: str, *what: Any) -> Any:
        if sql.endswith("; COMMIT"):
            _die()
        return execute(sql, *what)

    connection.execute_wrappers.append(die_before_both)
    connection.commit = _die  # type: ignore[method-assign]


def _die_after_commit() -> None:
    commit = connection.commit

    def commit_and_die() -> None:
        commit()
        _die()

    connection.commit = commit_and_die  # type: ignore[method-assign]


KILLED: dict[str, Callable[[], None]] = {
    "after its body": _die,
    "before its commit": _die_before_commit,
    "after its commit": _die_after_commit,
}


@background
def leave_behind(label: str) -> None:
    """A thread and an executor that never end, for which Python would wait."""
    _leave_trace()
    threading.Thread(target=threading.Event().wait, name="left behind", daemon=False).start()
    ThreadPoolExecutor(thread_name_prefix="left executor").submit(threading.Event().wait)


@background
def never_end(label: str) -> None:
    """And take no exception for a reason to."""
    _leave_trace()
    while True:
        with suppress(BaseException):
            threading.Event().wait()


@background(max_attempts=1)
def leak(label: str) -> None:
    """Until there is no memory left, of which the process never gets anything back."""
    _leave_trace()
    while True:
        _leaked.append(b"x" * 8 * 2**20)


_leaked: list[bytes] = []


@background
def carry(label: str, load: str) -> None:
    _leave_trace()


@background(keep_result=True)
def return_long(label: str, size: int) -> str:
    _leave_trace()
    return "x" * size


@background
def return_much(label: str) -> bytes:
    _leave_trace()
    return b"x" * 300 * 2**20
