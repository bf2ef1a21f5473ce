"""Run the kit against one backend, in a process of its own, and read what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.backends.contenders import Contender
from tests.databases import VARIABLE as DATABASE
from tests.servers import ROOT

LONGEST = 900
"""Seconds for all of it."""


@dataclass(frozen=True)
class Found:
    """What became of one promise."""

    group: str
    promise: str
    flag: str
    beyond: bool
    outcome: str
    """passed, failed or skipped."""
    why: str

    @property
    def name(self) -> str:
        return f"{self.group}: {self.promise}"


@dataclass(frozen=True)
class Judgement:
    found: Sequence[Found]
    said: str
    """By pytest."""

    def of(self, outcome: str) -> list[Found]:
        return [each for each in self.found if each.outcome == outcome]


def judge(
    contender: Contender,
    database: str,
    report: Path,
    *arguments: str,
    python: str = sys.executable,
    drain: str | None = None,
    **environment: str,
) -> Judgement:
    """`database`: the URL of one that is made and dropped. `arguments`: pytest's. Writes `report`."""
    how = contender.drain if drain is None else drain
    command = [python, "-m", "worker.conformance", "--settings", "tests.backends.settings"]
    done = subprocess.run(
        [*command, *(("--drain", how) if how else ()), "--tasks-report", str(report), "--create-db", *arguments],
        cwd=ROOT,
        env={**os.environ, DATABASE: database, "CARILLON_JUDGED_BACKEND": contender.name, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    if not report.exists():
        raise AssertionError(done.stdout)
    told: list[dict[str, Any]] = json.loads(report.read_text())
    return Judgement([Found(**each) for each in told], done.stdout)
