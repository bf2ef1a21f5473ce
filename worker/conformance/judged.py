"""The backend that is judged: what its user can see of it, and how what is enqueued is run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

from worker import framework
from worker.framework import TaskResultStatus


class Judged:
    """`drain` runs all that is due; None: nothing does."""

    def __init__(self, alias: str, drain: Callable[[], object] | None, limit: float) -> None:
        self.alias = alias
        self._drain = drain
        self._limit = limit

    @property
    def backend(self) -> Any:
        return framework.task_backends[self.alias]

    def run(self, task: Any, *args: Any, **kwargs: Any) -> Any:
        """Its result, once it is over. Skips the test where nothing runs it, or nobody can know."""
        return self.over(task.enqueue(*args, **kwargs))

    def over(self, result: Any) -> Any:
        if not result.is_finished:
            self.drain()
            result = self.latest(result)
        if not result.is_finished:
            pytest.fail(f"it is still {result.status} after all that is due has run")
        return result

    def latest(self, result: Any) -> Any:
        """What is known of it now."""
        if result.is_finished:
            return result
        if not self.backend.supports_get_result:
            pytest.skip("its results cannot be read: supports_get_result")
        return self.backend.get_result(result.id)

    def drain(self) -> None:
        """Run all that is due. Fails the test if that takes too long."""
        if self._drain is None:
            pytest.skip("nothing runs what it enqueues: no --tasks-drain was given")
        with _limited(self._limit) as alarms:
            self._drain()
        if alarms:
            _took_too_long(self._limit)

    def drain_if_possible(self) -> None:
        """Where nothing can run, nothing has run."""
        if self._drain is not None:
            self.drain()

    def require_one_process(self, task: Any) -> None:
        """Skips the test where what is enqueued does not run in this process."""
        if self.run(task).return_value != os.getpid():
            pytest.skip("its worker is another process")

    def require_a_wait(self, result: Any) -> None:
        """Skips the test where a Task is over when its enqueueing returns."""
        if result.status != TaskResultStatus.READY:
            pytest.skip("a Task runs where it is enqueued")


class _TookTooLong(BaseException):
    """No Exception: a worker would make it the failure of what it runs."""


@contextmanager
def _limited(seconds: float) -> Iterator[list[int]]:
    """Interrupt what takes longer, every second until it ends. Yields the alarms that there were."""
    alarms: list[int] = []
    if not hasattr(signal, "SIGALRM"):  # Windows has none
        yield alarms
        return

    def interrupt(number: int, frame: object) -> NoReturn:
        alarms.append(number)
        if len(alarms) == _MOST_ALARMS:  # it swallows all of them: the next one ends the process
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        raise _TookTooLong

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield alarms
    except _TookTooLong:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _took_too_long(seconds: float) -> NoReturn:
    pytest.fail(f"what is due had not run after {seconds:g} s")


_MOST_ALARMS = 10
