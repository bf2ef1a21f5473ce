"""Process 1 of a container: it starts the command as a child, passes signals on to it, and reaps whoever is orphaned.

The system makes process 1 the parent of every orphan in its container, and keeps the dead until their parent asks for
them. A process that works cannot ask for all: it would take the exit codes of children away from those that wait for
them. So the command itself becomes another process, and this one is no more than some memory of Python.

`become_init` replaces the process by this file, run as a script. So it imports nothing but the standard library, and
whatever comes from it without a folder of packages. Windows has no process 1, nor most of the names used here.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn


def is_needed() -> bool:
    return os.getpid() == 1


def become_init(command: Sequence[str]) -> NoReturn:
    """Be replaced by a process that runs the command and does nothing else. Before there is anything to lose.

    What is sent meanwhile waits: signals stay blocked, and the system would throw away those for process 1.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _watched())
    os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, *command])  # noqa: S606  our own command line


def run(command: Sequence[str]) -> int:
    """Returns the exit code of the command, as a shell would say it, when it has ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _watched())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.posix_spawn(command[0], [*command], os.environ, setsid=True, setsigmask=before - _watched())
    while (code := _reaped(child)) is None:
        number = signal.sigwait(_watched())
        if number != signal.SIGCHLD:
            os.kill(child, number)
    return code


def _watched() -> set[signal.Signals]:
    """All but those that nobody can watch for, and those that a process gets for what it did itself."""
    nobody_can = {signal.SIGKILL, signal.SIGSTOP}
    for_own_deeds = {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS}
    return signal.valid_signals() - nobody_can - for_own_deeds - {signal.SIGTRAP}


def _reaped(child: int) -> int | None:
    """Let all go that are dead. Returns how the child ended, once it has."""
    code = None
    while True:
        try:
            dead, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if dead == 0:
            return code
        if dead == child:
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
