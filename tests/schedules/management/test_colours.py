"""`process_tasks` on a terminal: what failed is red, unless somebody wants no colours. The terminals are real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.app.tasks import fail, fail_at_first, nothing
from tests.processes import ROOT

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.once]

RED, YELLOW = "\x1b[31;1m", "\x1b[33;1m"


def shown(*flags: str, **environment: str) -> str:
    """What a terminal gets that is standard error, as with `process_tasks > file`."""
    ours, its = os.openpty()
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.manage", "process_tasks", "--until-idle", *flags],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "NO_COLOR"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=its,
    )
    os.close(its)
    parts = []
    with suppress(OSError):  # so it ends on Linux
        while part := os.read(ours, 65_536):
            parts.append(part)
    os.close(ours)
    assert worker.wait(timeout=60) == 0
    return b"".join(parts).decode()


def test_a_failure_is_red_and_what_is_tried_again_yellow_and_all_else_plain() -> None:
    fail("no")
    fail_at_first("first")
    nothing(1)

    lines = shown().splitlines()

    assert [line[: len(RED)] for line in lines if "no more attempts" in line] == [RED]
    assert [line[: len(YELLOW)] for line in lines if "next in" in line] == [YELLOW]
    assert all("\x1b" not in line for line in lines if " succeeded in " in line or " started, " in line)


@pytest.mark.parametrize(
    ("flags", "environment"),
    [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"DJANGO_COLORS": "nocolor"})],
    ids=["flag", "NO_COLOR", "DJANGO_COLORS"],
)
def test_nothing_is_coloured_where_somebody_wants_no_colours(flags: list[str], environment: dict[str, str]) -> None:
    fail("no")

    text = shown(*flags, **environment)

    assert "no more attempts" in text
    assert "\x1b" not in text
