"""Source archives from the package index: got once, and kept in a folder that git ignores."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.processes import ROOT

KEPT = ROOT / ".archives"


def unpack(project: str, version: str, under: str, into: Path) -> Path:
    """What the archive has in the folder `under`; gives that folder. Where it cannot be had: says so."""
    with tarfile.open(_archive(project, version)) as archive:
        (top,) = {name.partition("/")[0] for name in archive.getnames()}
        wanted = [each for each in archive.getmembers() if each.name.startswith(f"{top}/{under}/")]
        archive.extractall(into, wanted, filter="data")
    return into / top / under


def _archive(project: str, version: str) -> Path:
    kept = KEPT / f"{project}-{version}.tar.gz"
    if not kept.exists():
        KEPT.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as folder:
            _download(f"{project}=={version}", project, folder)
            (got,) = Path(folder).iterdir()
            got.replace(kept)
    return kept


def _download(requirement: str, project: str, folder: str) -> None:
    options = ["--no-deps", "--no-binary", project, "--ignore-requires-python", "--retries", "1", "--timeout", "20"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", *options, "--dest", folder, requirement],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        _say_that_it_was_not_tested(f"The source archive of {requirement} cannot be had: {done.stdout.strip()}")


def _say_that_it_was_not_tested(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)
