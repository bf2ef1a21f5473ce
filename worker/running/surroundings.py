"""Put back what belongs to the whole process (directory, streams, filters of warnings) when no job runs.

A task that changes one of these changes it for the jobs beside it. That cannot be prevented. But the jobs after it get
the values from the start of the process.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from worker import signals
from worker.values import ClaimedJob


class Surroundings:
    """`with` it, a slot is at work. Knows how many are."""

    def __init__(self) -> None:
        _watch_folder()
        self._lock = Lock()
        self._at_work = 0
        self._last: ClaimedJob | None = None
        self._left_alone = False
        self._folder, self._moves = _folder(), _moves
        self._stdin, self._stdout, self._stderr = sys.stdin, sys.stdout, sys.stderr
        self._filters, self._modules = list(warnings.filters), len(sys.modules)

    def __enter__(self) -> None:
        with self._lock:
            if not self._at_work:  # what has changed while no job ran, no job has changed
                self._filters = list(warnings.filters)
            self._at_work += 1
            self._modules = len(sys.modules)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._at_work -= 1
            if not self._at_work:
                self._put_back()

    def after_job(self, job: ClaimedJob) -> None:
        """Each job passes here, so nobody is asked who would take long to answer."""
        self._last = job
        if self._at_work == 1 and self._is_changed():
            with self._lock:
                if self._at_work == 1:
                    self._put_back()
        self._modules = len(sys.modules)

    def leave_alone(self) -> None:
        """From now on: it is somebody else's process again."""
        with self._lock:
            self._left_alone = True

    def _is_changed(self) -> bool:
        return (
            sys.stdout is not self._stdout
            or sys.stderr is not self._stderr
            or sys.stdin is not self._stdin
            or warnings.filters != self._filters
            or self._moves != _moves
        )

    def _put_back(self) -> None:
        if self._left_alone or not self._is_changed():
            return
        what = [*self._put_folder_back(), *self._put_streams_back(), *self._put_filters_back()]
        if what and self._last:
            signals.surroundings_restored.send_robust(None, job=self._last, what=what)

    def _put_folder_back(self) -> Iterator[str]:
        here = _folder()
        if self._folder is not None and here != self._folder:
            with suppress(OSError):
                os.chdir(self._folder)
                yield f"the working directory ({here or 'one that is gone'})"
        self._moves = _moves

    def _put_streams_back(self) -> Iterator[str]:
        for name, stream in (("stdin", self._stdin), ("stdout", self._stdout), ("stderr", self._stderr)):
            if getattr(sys, name) is not stream:
                setattr(sys, name, stream)
                yield f"sys.{name}"

    def _put_filters_back(self) -> Iterator[str]:
        """What a module has set that the job has imported stays: it is set once. No module makes warnings errors."""
        new = [each for each in warnings.filters if each not in self._filters]
        imported = [each for each in new if each[0] != "error" and len(sys.modules) > self._modules]
        self._filters = [*imported, *self._filters]
        if warnings.filters != self._filters:
            warnings.resetwarnings()
            warnings.filters[:] = self._filters  # type: ignore[index]
            yield "warnings.filters"


def _folder() -> str | None:
    with suppress(OSError):
        return str(Path.cwd())
    return None


def _watch_folder() -> None:
    """To ask the system after each job would cost as much as a small job. https://docs.python.org/3/library/audit_events.html"""
    global _is_watched
    if not _is_watched:
        _is_watched = True
        sys.addaudithook(_notice_move)


def _notice_move(event: str, _: Any) -> None:
    global _moves
    if event == "os.chdir":
        _moves += 1


_is_watched = False
_moves = 0
"""How often the working directory may have changed."""
