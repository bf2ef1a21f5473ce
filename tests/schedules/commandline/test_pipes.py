"""Commands whose output is not read to its end, as in `list_schedule | head`: real processes, and real pipes."""

from __future__ import annotations

import os
import select
import subprocess
import sys

import pytest

from schedules.commandline.pipes import EXIT_CODE, quiet_when_unread
from tests.processes import ROOT

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.once]


def start(*arguments: str, unbuffered: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.manage", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("list_schedule",),
        ("list_schedule", "--check"),
        ("list_schedule", "--cron", "* * * * *", "--next", "1000"),
        ("scheduler_doctor", "--json"),
    ],
    ids=" ".join,
)
def test_a_command_that_nobody_reads_any_more_ends_and_says_nothing(
    arguments: tuple[str, ...], unbuffered: str
) -> None:
    command = start(*arguments, unbuffered=unbuffered)
    assert command.stdout is not None
    command.stdout.close()

    _, said = command.communicate(timeout=60)

    assert (said, command.returncode) == ("", EXIT_CODE)


@pytest.mark.parametrize("command", ["list_schedule", "scheduler_doctor", "process_tasks"])
def test_help_that_nobody_reads_says_nothing(command: str) -> None:
    """It is written when the process ends."""
    helping = start(command, "--help")
    assert helping.stdout is not None
    helping.stdout.close()

    assert helping.communicate(timeout=60) == ("", "")


def test_a_worker_whose_log_nobody_reads_works_on_and_ends_well() -> None:
    worker = start("process_tasks", "--until-idle")
    assert worker.stderr is not None
    worker.stderr.close()

    assert worker.communicate(timeout=60) == ("", "")

    assert worker.returncode == 0


def test_another_pipe_that_breaks_is_an_error_as_ever() -> None:
    with pytest.raises(BrokenPipeError), quiet_when_unread():
        raise BrokenPipeError


def test_where_the_system_cannot_tell_who_reads_a_command_ends_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.delattr(select, "poll")

    with quiet_when_unread():
        print("All is well.")  # noqa: T201
