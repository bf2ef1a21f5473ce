"""What a peer's jobs call: notes which job began, and when, at a cost that disappears beside the queue's own.

A thread writes the notes to a file now and then, so that they survive however the process ends. Nothing here needs
more than the standard library, nor knows which queue it is.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

FOLDER = "PEERS_RECORD"
"""The environment variable that names the folder of the notes."""

_EVERY = 0.05
_notes: list[tuple[int, float]] = []
_begin = threading.Lock()
_writer_of = 0


def began(number: int) -> None:
    """Job `number` runs now. Clocks of processes on one machine agree: it is the monotonic one."""
    _notes.append((number, time.perf_counter()))
    if _writer_of != os.getpid():
        _start_to_write()


def starts(folder: Path) -> list[tuple[int, float]]:
    """Each start that any process noted: which job, and when."""
    return [pair for each in folder.glob("*.starts") for pair in _pairs(each)]


def processor_seconds(folder: Path) -> float:
    """What all the processes have used since their first jobs."""
    return sum(_doubles(each)[0] for each in folder.glob("*.seconds"))


def count(folder: Path) -> int:
    """How many starts have been noted until now."""
    return sum(each.stat().st_size for each in folder.glob("*.starts")) // (2 * array("d").itemsize)


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
        mine.with_suffix(".starts").open("wb", buffering=0) as starts_file,
        mine.with_suffix(".seconds").open("wb", buffering=0) as seconds_file,
    ):
        while True:
            notes = _notes[written:]
            starts_file.write(array("d", chain.from_iterable(notes)).tobytes())
            os.pwrite(seconds_file.fileno(), array("d", [time.process_time() - used_before]).tobytes(), 0)
            written += len(notes)
            time.sleep(_EVERY)


def _pairs(starts_file: Path) -> Iterator[tuple[int, float]]:
    values = _doubles(starts_file)
    for number, at in zip(values[::2], values[1::2], strict=True):
        yield int(number), at


def _doubles(file: Path) -> array[float]:
    return array("d", file.read_bytes())
