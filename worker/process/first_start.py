"""A command that begins anew when code changes outlives code that cannot be loaded when it is started, too.

Then there is no command yet, and nobody has read its flags: Django loads all code first. So the error is caught where
it would end Python. Knows the command by its words alone, as Django does with its own server.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from django.utils import autoreload

from worker.process.reloading import WAITS, code

LOOK_EVERY = 0.1
"""Seconds between two looks at the code that has failed."""
INTERRUPTED = 130
"""The exit code of a command that Ctrl-C has ended, as a shell says it."""


def is_reloading(arguments: Sequence[str]) -> bool:
    """Whether these words (`sys.argv`) start a command that begins anew, and not a process under one."""
    return arguments[1:2] == ["process_tasks"] and "--reload" in arguments and "--supervised" not in arguments


def outlive_errors() -> None:
    """Say an error that nothing catches as before, and then wait for code to be saved, instead of ending."""
    say = sys.excepthook

    def outlive(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        say(kind, error, trace)
        if issubclass(kind, Exception):
            _begin_anew_when_code_is_saved()

    sys.excepthook = outlive


def _begin_anew_when_code_is_saved() -> None:
    """In this process, by the same command line."""
    before = code()
    sys.stderr.write(WAITS)
    sys.stderr.flush()
    try:
        while code() == before:
            time.sleep(LOOK_EVERY)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    command = autoreload.get_child_arguments()
    os.execv(command[0], command)  # noqa: S606  our own command line
