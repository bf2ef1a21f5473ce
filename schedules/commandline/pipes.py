"""End a command without a message if its output is not read to the end, as in `list_schedule | head`."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

EXIT_CODE = 141
"""As a shell says it of a program that SIGPIPE has ended: 128, and the number of the signal."""


@contextmanager
def quiet_when_unread() -> Iterator[None]:
    """Around a whole command of this process. Logs that nobody reads any more end no command, and change no exit code.

    Python would print a traceback, or, where the rest is written at its very end, two lines of its own.
    """
    try:
        with _written_to_the_end():
            yield
    except BrokenPipeError:
        if not any(map(_is_unread, _streams())):  # it was another pipe
            raise
        sys.exit(EXIT_CODE)
    finally:
        for stream in filter(_is_unread, _streams()):
            _send_nowhere(stream)


@contextmanager
def _written_to_the_end() -> Iterator[None]:
    try:
        yield
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _streams() -> list[TextIO]:
    """None, where a process was started without."""
    return [stream for stream in (sys.stdout, sys.stderr) if stream is not None]


def _is_unread(stream: TextIO) -> bool:
    """Windows has no `poll`: there nobody can tell."""
    if not hasattr(select, "poll"):
        return False
    try:
        descriptor = stream.fileno()
    except ValueError:  # a stream in memory, or a closed one
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _send_nowhere(stream: TextIO) -> None:
    """What it still holds, too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
