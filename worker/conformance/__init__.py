"""A kit of tests that any backend of settings.TASKS can be run against: what Django's framework asks of one, by flag.

    python -m worker.conformance --settings shop.settings --backend default --drain shop.testing.drain

It rests on the framework alone, so a project that uses no other part of this package can run it.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run the kit with these arguments of its command. Returns pytest's exit code: 0 if every promise is kept.

    Exits where pytest or pytest-django is not installed.
    """
    options, of_pytest = _parser().parse_known_args(arguments)
    if missing := [name for name in ("pytest", "pytest_django") if find_spec(name) is None]:
        sys.exit(f"The kit needs {' and '.join(missing)}: pip install 'django-carillon[conformance]'.")
    import pytest

    folder = Path(__file__).parent
    kit = [str(folder), "-c", str(folder / "pytest.ini"), "-p", f"{__name__}.plugin", "-p", "no:cacheprovider"]
    chosen = [f"--ds={options.settings}", f"--tasks-backend={options.backend}", f"--tasks-drain-limit={options.limit}"]
    if options.drain:
        chosen.append(f"--tasks-drain={options.drain}")
    return int(pytest.main([*kit, *chosen, *of_pytest]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__name__}",
        description="Try a backend of settings.TASKS against the contract. Arguments not listed here go to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument("--settings", required=True, help="the module of the project's settings")
    parser.add_argument("--backend", default="default", help="its alias in TASKS (default)")
    parser.add_argument("--drain", help="dotted path of a callable without arguments that runs all that is due")
    parser.add_argument("--limit", type=float, default=30, help="seconds that it may take (30)")
    return parser
