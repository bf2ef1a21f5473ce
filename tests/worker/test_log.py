"""Logging is the project's: what LOGGING says of handlers and levels stays. The command fills what it leaves open."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest

from worker.signals import show_log

LOGGERS = ("", "worker", "worker.job", "schedules", "schedules.leader")


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """All that there are: a configuration may disable any of them."""
    named = list(map(logging.getLogger, LOGGERS))
    others = (each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger))
    loggers = [*named, *(each for each in others if each not in named)]
    before = [(each, each.level, each.propagate, each.disabled, each.handlers[:]) for each in loggers]
    yield
    for each, level, propagate, disabled, handlers in before:
        each.setLevel(level)
        each.handlers[:], each.propagate, each.disabled = handlers, propagate, disabled


@pytest.mark.parametrize(("verbosity", "shown"), [(0, "WARNING"), (1, "INFO"), (2, "DEBUG"), (3, "DEBUG")])
def test_where_a_project_says_nothing_the_events_are_printed_as_verbosity_says(verbosity: int, shown: str) -> None:
    _configure()
    out = io.StringIO()

    show_log(out, verbosity)

    assert logging.getLevelName(logging.getLogger("worker.job").getEffectiveLevel()) == shown
    logging.getLogger("schedules.leader").error("no lock")
    assert out.getvalue().split(maxsplit=1)[1] == "leader   no lock\n"


@pytest.mark.parametrize("verbosity", [0, 1, 2])
def test_a_level_that_the_project_set_stays(verbosity: int) -> None:
    """LOGGING gives `worker` a handler and WARNING."""
    own = _configure(loggers={"worker": {"handlers": ["own"], "level": "WARNING"}})
    out = io.StringIO()

    show_log(out, verbosity)
    logging.getLogger("worker.job").info("started")
    logging.getLogger("worker.job").warning("failed")

    assert (own.getvalue(), out.getvalue()) == ("failed\n", "")


def test_a_level_stays_where_there_is_no_handler_and_is_set_where_there_is_only_a_handler() -> None:
    own = _configure(loggers={"worker": {"handlers": ["own"]}, "schedules": {"level": "ERROR"}})
    out = io.StringIO()

    show_log(out, 1)
    logging.getLogger("worker.job").info("started")
    logging.getLogger("schedules.leader").warning("stands by")
    logging.getLogger("schedules.leader").error("no lock")

    assert own.getvalue() == "started\n"
    assert out.getvalue().endswith("leader   no lock\n")
    assert out.getvalue().count("\n") == 1


def test_a_root_with_a_handler_is_obeyed_in_its_level_too() -> None:
    own = _configure(root={"handlers": ["own"], "level": "WARNING"})
    out = io.StringIO()

    show_log(out, 2)
    logging.getLogger("worker").info("started")
    logging.getLogger("schedules.leader").warning("stands by")

    assert (own.getvalue(), out.getvalue()) == ("stands by\n", "")


def test_a_logger_that_is_kept_from_the_root_does_not_obey_it() -> None:
    own = _configure(root={"handlers": ["own"], "level": "ERROR"}, loggers={"worker": {"propagate": False}})
    out = io.StringIO()

    show_log(out, 1)
    logging.getLogger("worker.job").info("started")

    assert own.getvalue() == ""
    assert out.getvalue().endswith("job      started\n")


def test_what_has_a_place_below_is_not_said_twice() -> None:
    own = _configure(loggers={"worker.job": {"handlers": ["own"]}})
    out = io.StringIO()

    show_log(out, 1)
    logging.getLogger("worker.job").info("started")
    logging.getLogger("worker").info("stopping")

    assert own.getvalue() == "started\n"
    assert out.getvalue().endswith("worker   stopping\n")
    assert out.getvalue().count("\n") == 1


def test_a_logger_that_the_project_has_disabled_stays_silent() -> None:
    _configure(loggers={}, disable_existing_loggers=True)
    out = io.StringIO()

    show_log(out, 1)
    logging.getLogger("worker").error("lost")

    assert out.getvalue() == ""


def _configure(**what: Any) -> io.StringIO:
    """As in a new process with this LOGGING. Returns what the handler named own writes to."""
    for each in map(logging.getLogger, LOGGERS):
        each.setLevel(logging.NOTSET if each.parent else logging.WARNING)
        each.handlers[:], each.propagate, each.disabled = [], True, False
    own = io.StringIO()
    handlers = {"own": {"class": "logging.StreamHandler", "stream": own}}
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "handlers": handlers, **what})
    return own
