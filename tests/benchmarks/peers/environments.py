"""A virtual environment for each peer, with the versions that are pinned in `requirements/`. Knows no queue."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.peers.contenders import OURS
from tests.servers import ROOT, Unavailable

_PINS = Path(__file__).parent / "requirements"
_ENVIRONMENTS = ROOT / ".venv-peers"


def python_of(environment: str) -> Path:
    """The interpreter, with the peer installed. Raises Unavailable."""
    if environment == OURS:
        return Path(sys.executable)
    pins = (_PINS / f"{environment}.txt").read_text()
    folder = _ENVIRONMENTS / environment
    installed = folder / "installed"
    python = folder / "bin" / "python"
    if not installed.exists() or installed.read_text() != pins:
        print(f"Installing {environment} …", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *pins.split())
        installed.write_text(pins)
    return python


def version_of(environment: str) -> str:
    """The pin that stands first is the queue's own."""
    if environment == OURS:
        return ""
    return (_PINS / f"{environment}.txt").read_text().split()[0].partition("==")[2]


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"it cannot be installed here: {error.stderr.strip().splitlines()[-1]}") from error
