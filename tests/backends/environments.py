"""A virtual environment for each peer, with the versions that are pinned in `requirements/`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.peers import environments

_PINS = Path(__file__).parent / "requirements"


def python_of(environment: str) -> Path:
    """The interpreter, with the backend installed. Empty: that of the tests. Raises Unavailable."""
    return environments.installed(_PINS, environment, "judged") if environment else Path(sys.executable)


def version_of(environment: str) -> str:
    return environments.version_in(_PINS, environment)
