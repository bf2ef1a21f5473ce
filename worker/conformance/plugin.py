"""The kit as a plugin of pytest: its options, and a report of what was found.

What is enqueued may run in other processes: these find the backend in the environment, as this one does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from inspect import cleandoc
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "TASKS_CONFORMANCE_BACKEND"
KIT = __name__.rpartition(".")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tasks", "conformance of a backend of settings.TASKS")
    group.addoption("--tasks-backend", default="default", metavar="ALIAS", help="which backend in TASKS (default)")
    group.addoption(
        "--tasks-drain",
        metavar="PATH",
        help="dotted path of a callable without arguments that runs all that is due, and returns; "
        "without it, what does not run when it is enqueued never runs",
    )
    group.addoption(
        "--tasks-drain-limit", type=float, default=30.0, metavar="SECONDS", help="how long it may take (30)"
    )
    group.addoption("--tasks-report", type=Path, metavar="FILE", help="write what was found there, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    os.environ[VARIABLE] = config.getoption("--tasks-backend")
    config.addinivalue_line("markers", "needs(flag): is about what a backend supports only with this flag")
    config.addinivalue_line("markers", "beyond: about what the contract leaves open")
    if config.getoption("--tasks-report"):
        config.pluginmanager.register(_Report(config.getoption("--tasks-report")), "tasks-report")


class _Report:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if not (report.when == "call" or report.outcome != "passed"):
            return report
        found = {**_about(item), "outcome": report.outcome, "why": _why(report, call)}
        if self._found.get(item.nodeid, {}).get("outcome") != "failed":
            self._found[item.nodeid] = found
        return report

    def pytest_sessionfinish(self) -> None:
        self._file.write_text(json.dumps(list(self._found.values()), indent=1))


def _about(item: pytest.Item) -> dict[str, Any]:
    group = getattr(item, "cls", None)
    flag = item.get_closest_marker("needs")
    return {
        "group": cleandoc(group.__doc__ or "").partition("\n")[0] if group else "",
        "promise": item.name.removeprefix("test_").replace("_", " "),
        "flag": flag.args[0] if flag else "",
        "beyond": item.get_closest_marker("beyond") is not None,
    }


def _why(report: pytest.TestReport, call: pytest.CallInfo[None]) -> str:
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    if report.outcome == "failed" and call.excinfo is not None:
        return call.excinfo.exconly(tryshort=True).strip().partition("\n")[0]
    return ""
