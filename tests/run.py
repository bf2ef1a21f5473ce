"""Run the tests on each database that can be had here, and say plainly which ones could not.

    python -m tests.run [--database NAME]… [--install-drivers] [arguments of pytest]

Decides the order and the exit code. Where CI=true, a database that cannot be tested is a failure; elsewhere
it is one only if the environment names its server. Finding servers is the business of `tests/servers.py`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from types import FrameType
from typing import NoReturn

import pytest

from tests import servers
from tests.databases import POOLED, VARIABLE, name_of_this_run

_NAMED_BY = {
    "postgresql": servers.POSTGRESQL_VARIABLE,
    POOLED: servers.POSTGRESQL_VARIABLE,
    "mysql": servers.MYSQL_VARIABLE,
}
_SECONDS_TO_STOP = 30


class Result(Enum):
    """How the run on one database ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    NONE_SELECTED = "no test selected"
    NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Verdict:
    """A result, and on which server or why."""

    database: str
    result: Result
    where_or_why: str

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
    verdicts: list[Verdict] = []
    for database in options.database or servers.KINDS:
        # What touches no database says the same on each: it runs with the first.
        repeated = ["--only-database-tests"] if verdicts else []
        verdicts.append(_test_on(database, [*pytest_arguments, *repeated], options.install_drivers))
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
    parser.add_argument("--install-drivers", action="store_true", help="install mysqlclient if it is missing")
    return parser


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Leave as after Ctrl-C: through every `finally`, so that nothing is left running."""
    raise KeyboardInterrupt


def _test_on(database: str, pytest_arguments: list[str], install_drivers: bool) -> Verdict:
    with ExitStack() as while_needed:
        try:
            server = servers.find(database, while_needed, install_driver=install_drivers)
        except servers.Unavailable as reason:
            return Verdict(database, Result.NOT_TESTED, str(reason))
        print(f"\n{server.version}", flush=True)
        return Verdict(database, _result(_pytest(server, pytest_arguments)), server.version)


def _pytest(server: servers.Server, arguments: list[str]) -> int:
    name = name_of_this_run()
    # Tests start many processes. What these import is compiled once, also where the environment would have none of it.
    environment = {**os.environ, VARIABLE: server.url(name), "PYTHONDONTWRITEBYTECODE": ""}
    process = subprocess.Popen([sys.executable, "-m", "pytest", "--reuse-db", *arguments], env=environment)
    try:
        return process.wait()
    except KeyboardInterrupt:
        # Pytest ends the processes that its tests have started, and drops the database.
        process.send_signal(signal.SIGINT)
        process.wait(timeout=_SECONDS_TO_STOP)
        raise
    finally:
        process.kill()
        server.drop(name)


def _result(exit_code: int) -> Result:
    match exit_code:
        case pytest.ExitCode.OK:
            return Result.PASSED
        case pytest.ExitCode.NO_TESTS_COLLECTED:
            return Result.NONE_SELECTED
        case _:
            return Result.FAILED


def _summary(verdicts: list[Verdict]) -> str:
    lines = [f"  {each.database:<11} {each.result.value} ({each.where_or_why})" for each in verdicts]
    return "\n".join(["", "Tested databases:", *lines])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
