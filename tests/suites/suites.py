"""Run a suite of others in a process of its own, on a database beside that of the tests, and judge how it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

from tests.databases import VARIABLE, url_of_this_run
from tests.processes import ROOT


def passed(name: str, folder: Path, report: Path, not_applicable: Collection[str]) -> int:
    """How many tests have passed. Fails where one that does not apply has passed, or another one has failed."""
    here = urlsplit(url_of_this_run())
    done = subprocess.run(
        [sys.executable, "-m", "tests.suites.run", name, str(folder), str(report)],
        cwd=ROOT,
        env={**os.environ, VARIABLE: here._replace(path=f"{here.path}_suite").geturl()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert report.exists(), done.stdout
    ended = json.loads(report.read_text())
    failed = {test for test, end in ended.items() if end == "failed"}

    assert failed - set(not_applicable) == set(), done.stdout
    assert set(not_applicable) - failed == set(), "These are said not to apply, and have not failed."
    return list(ended.values()).count("passed")
