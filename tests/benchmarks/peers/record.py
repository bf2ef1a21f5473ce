"""What a peer's jobs call: notes which job ran, and when, at a cost that disappears beside the queue's own.

A thread writes the notes to a file now and then, so that they survive however the process ends. Nothing here needs
more than the standard library, nor knows which queue it is.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

FOLDER = "PEERS_RECORD"
"""The environment variable that names the folder of the notes."""

_EVERY = 0.05
_notes: list[tuple[int, float, float]] = []
_begin = threading.Lock()
_writer_of = 0


def began(number: int) -> None:
    """Job `number` runs now, and does nothing. Clocks of processes on one machine agree: it is the monotonic one."""
    now = time.perf_counter()
    _note(number, now, now)


@contextmanager
def at_work(number: int) -> Iterator[None]:
    """Job `number` does its work in this block."""
    begun = time.perf_counter()
    yield
    _note(number, begun, time.perf_counter())


@dataclass(frozen=True)
class Run:
    """Of one job."""

    number: int
    began: float
    ended: float


def runs(folder: Path) -> list[Run]:
    """Each run that any process noted."""
    return [run for each in folder.glob("*.runs") for run in _runs(each)]


def processor_seconds(folder: Path) -> float:
    """What all the processes have used since their first jobs."""
    return sum(_doubles(each)[0] for each in folder.glob("*.seconds"))


def count(folder: Path) -> int:
    """How many runs have been noted until now."""
    return sum(each.stat().st_size for each in folder.glob("*.runs")) // (3 * array("d").itemsize)


def _note(number: int, begun: float, ended: float) -> None:
    _notes.append((number, begun, ended))
    if _writer_of != os.getpid():
        _start_to_write()


def _start_to_write() -> None:
    """Once in each process, whichever thread or child runs the first job."""
    global _writer_of
    with _begin:
        if _writer_of != os.getpid():
            _writer_of = os.getpid()
            threading.Thread(target=_write, args=[Path(os.environ[FOLDER])], daemon=True).start()


def _write(folder: Path) -> None:
    used_before = time.process_time()
    written = 0
    mine = folder / str(os.getpid())
    # Unbuffered, and each note in one piece: the process may be killed at any time.
    with (
        mine.with_suffix(".runs").open("wb", buffering=0) as runs_file,
        mine.with_suffix(".seconds").open("wb", buffering=0) as seconds_file,
    ):
        while True:
            notes = _notes[written:]
            runs_file.write(array("d", chain.from_iterable(notes)).tobytes())
            os.pwrite(seconds_file.fileno(), array("d", [time.process_time() - used_before]).tobytes(), 0)
            written += len(notes)
            time.sleep(_EVERY)


def _runs(runs_file: Path) -> Iterator[Run]:
    values = _doubles(runs_file)
    for number, begun, ended in zip(values[::3], values[1::3], values[2::3], strict=True):
        yield Run(int(number), begun, ended)


def _doubles(file: Path) -> array[float]:
    return array("d", file.read_bytes())
