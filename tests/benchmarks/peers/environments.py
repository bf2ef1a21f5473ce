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
    return Path(sys.executable) if environment == OURS else installed(_PINS, environment)


def version_of(environment: str) -> str:
    return "" if environment == OURS else version_in(_PINS, environment)


def installed(requirements: Path, environment: str, kind: str = "") -> Path:
    """The interpreter of the environment that a file of that folder pins. `kind` tells environments of one name apart.

    Raises Unavailable.
    """
    pins = (requirements / f"{environment}.txt").read_text()
    folder = _ENVIRONMENTS / kind / environment
    done = folder / "installed"
    python = folder / "bin" / "python"
    if not done.exists() or done.read_text() != pins:
        print(f"Installing {environment} …", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *pins.split())
        done.write_text(pins)
    return python


def version_in(requirements: Path, environment: str) -> str:
    """The pin that stands first is the queue's own."""
    return (requirements / f"{environment}.txt").read_text().split()[0].partition("==")[2]


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"it cannot be installed here: {error.stderr.strip().splitlines()[-1]}") from error
