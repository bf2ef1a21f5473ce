"""Run the tests on each database that can be had here, and say plainly which ones could not.

    python -m tests.run [--database NAME]… [--side-by-side] [--install-drivers] [arguments of pytest]

Decides what runs where, and the exit code. Where CI=true, a database that cannot be tested is a failure; elsewhere
it is one only if the environment names its server. Finding servers is the business of `tests/servers.py`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from types import FrameType
from typing import NoReturn

import pytest

from tests import servers
from tests.databases import POOLED, name_of_this_run
from tests.runs import Run
from tests.servers import Server, Unavailable

_NAMED_BY = {
    "postgresql": servers.POSTGRESQL_VARIABLE,
    POOLED: servers.POSTGRESQL_VARIABLE,
    "mysql": servers.MYSQL_VARIABLE,
}


ANY = "any"
"""What says the same on each database, in the list of those that were tested."""


class Result(Enum):
    """How the run on one database ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    NONE_SELECTED = "no test selected"
    NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Verdict:
    """A result, on which server or why, and the tests that have failed."""

    database: str
    result: Result
    where_or_why: str
    failed: Sequence[str] = ()

    @property
    def is_failure(self) -> bool:
        if self.result is Result.NOT_TESTED:
            return os.environ.get("CI") == "true" or _NAMED_BY.get(self.database) in os.environ
        return self.result is Result.FAILED


def main() -> int:
    options, pytest_arguments = _parser().parse_known_args()
    signal.signal(signal.SIGTERM, _stop)
    # In the background of a shell it may come ignored, and pytest would inherit that.
    signal.signal(signal.SIGINT, _stop)
    with ExitStack() as while_needed:
        places = {
            database: _place(database, while_needed, options.install_drivers)
            for database in options.database or servers.KINDS
        }
        verdicts = _test_on(places, pytest_arguments, side_by_side=options.side_by_side)
    print(_summary(verdicts))
    nothing_passed = all(verdict.result is not Result.PASSED for verdict in verdicts)
    return int(nothing_passed or any(verdict.is_failure for verdict in verdicts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.run",
        description="Run the tests on every database. Arguments not listed here go to pytest.",
        epilog=f"Servers: {servers.POSTGRESQL_VARIABLE}=postgresql://user:password@host:port/ and "
        f"{servers.MYSQL_VARIABLE}=mysql://user:password@host:port/, else those on this host.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--database", action="append", choices=(*servers.KINDS, POOLED), help="only this one; repeatable"
    )
    parser.add_argument(
        "--side-by-side", action="store_true", help="all databases at once: quicker, but nothing for figures"
    )
    parser.add_argument("--install-drivers", action="store_true", help="install mysqlclient if it is missing")
    return parser


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Leave as after Ctrl-C: through every `finally`, so that nothing is left running."""
    raise KeyboardInterrupt


def _place(database: str, while_needed: ExitStack, install_drivers: bool) -> Server | Unavailable:
    try:
        return servers.find(database, while_needed, install_driver=install_drivers)
    except Unavailable as reason:
        return reason


def _test_on(
    places: dict[str, Server | Unavailable], pytest_arguments: list[str], *, side_by_side: bool
) -> list[Verdict]:
    """What says the same on each database runs with the first, or, side by side, as a run of its own beside them."""
    there = {database: place for database, place in places.items() if not isinstance(place, Unavailable)}
    aside = side_by_side and len(there) > 1
    runs: dict[str, Run] = {}
    with ExitStack() as until_all_have_ended:

        def begin(name: str, server: Server, *which: str) -> None:
            run = Run(server, f"{name_of_this_run()}_{name}", [*pytest_arguments, *which], aside=aside)
            runs[name] = until_all_have_ended.enter_context(run)

        for database, server in there.items():
            begin(database, server, *(["--only-database-tests"] if aside or runs else []))
            if not side_by_side:
                runs[database].wait()
        if aside:
            places = {**places, ANY: next(iter(there.values()))}
            begin(ANY, next(iter(there.values())), "--no-database-tests")
        return [_verdict(database, place, runs.get(database)) for database, place in places.items()]


def _verdict(database: str, place: Server | Unavailable, run: Run | None) -> Verdict:
    if isinstance(place, Unavailable) or run is None:
        return Verdict(database, Result.NOT_TESTED, str(place))
    return Verdict(database, _result(run.wait()), place.version, run.failed)


def _result(exit_code: int) -> Result:
    match exit_code:
        case pytest.ExitCode.OK:
            return Result.PASSED
        case pytest.ExitCode.NO_TESTS_COLLECTED:
            return Result.NONE_SELECTED
        case _:
            return Result.FAILED


def _summary(verdicts: list[Verdict]) -> str:
    """It comes last, so who reads the end of a long log learns what has failed."""
    lines = ["", "Tested databases:"]
    for each in verdicts:
        lines.append(f"  {each.database:<11} {each.result.value} ({each.where_or_why})")
        lines += [f"    {test}" for test in each.failed]
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
