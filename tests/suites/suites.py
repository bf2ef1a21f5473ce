"""Run a suite of others in a process of its own, on a database beside that of the tests, and judge how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from tests.databases import VARIABLE, url_of_this_run
from tests.processes import ROOT


def passed(
    name: str, folder: Path, report: Path, not_applicable: Collection[str], left_out: Collection[str] = ()
) -> int:
    """How many tests have passed. Fails where one that does not apply has passed, or another one has failed.

    left_out: classes that are not run at all.
    """
    here, mark, query = url_of_this_run().partition("?")
    done = subprocess.run(
        [sys.executable, "-m", "tests.suites.run", name, str(folder), str(report), *left_out],
        cwd=ROOT,
        env={**os.environ, VARIABLE: f"{here}_suite{mark}{query}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert report.exists(), done.stdout
    ended = json.loads(report.read_text())
    failed, skipped = ({test for test, end in ended.items() if end == each} for each in ("failed", "skipped"))

    assert failed - set(not_applicable) == set(), done.stdout
    assert set(not_applicable) - failed - skipped == set(), "These are said not to apply, and have not failed."
    return list(ended.values()).count("passed")
