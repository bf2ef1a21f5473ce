"""Draining jobs that do nothing while the log is written as people have it, beside a worker that writes none.

A run counts only if the log has a line for each job that succeeded.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread

from tests.benchmarks.bench_drain import JOBS, carillon
from tests.benchmarks.measure import Contender, Figures, side_by_side

JSON = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings_json"}


def main(runs: int) -> None:
    contenders = [
        Contender("quiet (-v 0)", partial(carillon, 1)),
        Contender("the default, in a file", partial(logged, to_file=True)),
        Contender("the default, on a terminal", partial(logged, to_file=False)),
        Contender("JSON, by the project's LOGGING, in a file", partial(logged, to_file=True, environment=JSON)),
    ]
    side_by_side(f"{JOBS:,} jobs that do nothing, with a line each", contenders, runs)


def logged(*, to_file: bool, environment: dict[str, str] | None = None) -> Figures:
    with tempfile.NamedTemporaryFile() as file:
        with _plain(file.fileno()) if to_file else _terminal(file.fileno()) as stderr:
            figures = carillon(1, verbosity=1, stderr=stderr, environment=environment)
        said = Path(file.name).read_text().count(" succeeded in ")
    assert said == JOBS, f"{said:,} lines of {JOBS:,} jobs"
    return figures


@contextmanager
def _plain(file: int) -> Iterator[int]:
    yield file


@contextmanager
def _terminal(file: int) -> Iterator[int]:
    """What is written to it is copied to the file."""
    ours, theirs = os.openpty()
    copying = Thread(target=_copy, args=[ours, file])
    copying.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        copying.join()
        os.close(ours)


def _copy(source: int, target: int) -> None:
    while True:
        try:
            os.write(target, os.read(source, 65_536))
        except OSError:  # nobody has the other end any more
            return
