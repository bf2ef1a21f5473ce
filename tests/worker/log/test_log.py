"""Logging is the project's: what LOGGING says of handlers and levels stays. The command fills what it leaves open."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schedules.signals import clock_leapt, leader_synced
from worker import log
from worker.outcomes import Error, Retry, Snoozed, Succeeded
from worker.signals import database_lost, leader_missing
from worker.telling import tell_ended, tell_started
from worker.values import ClaimedJob, Ended

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
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

    log.show(out, verbosity)

    assert logging.getLevelName(logging.getLogger("worker.job").getEffectiveLevel()) == shown
    logging.getLogger("schedules.leader").error("no lock")
    assert out.getvalue().split(maxsplit=1)[1] == "leader   no lock\n"


@pytest.mark.parametrize("verbosity", [0, 1, 2])
def test_a_level_that_the_project_set_stays(verbosity: int) -> None:
    """LOGGING gives `worker` a handler and WARNING."""
    own = _configure(loggers={"worker": {"handlers": ["own"], "level": "WARNING"}})
    out = io.StringIO()

    log.show(out, verbosity)
    logging.getLogger("worker.job").info("started")
    logging.getLogger("worker.job").warning("failed")

    assert (own.getvalue(), out.getvalue()) == ("failed\n", "")


def test_a_level_stays_where_there_is_no_handler_and_is_set_where_there_is_only_a_handler() -> None:
    own = _configure(loggers={"worker": {"handlers": ["own"]}, "schedules": {"level": "ERROR"}})
    out = io.StringIO()

    log.show(out, 1)
    logging.getLogger("worker.job").info("started")
    logging.getLogger("schedules.leader").warning("stands by")
    logging.getLogger("schedules.leader").error("no lock")

    assert own.getvalue() == "started\n"
    assert out.getvalue().endswith("leader   no lock\n")
    assert out.getvalue().count("\n") == 1


def test_a_root_with_a_handler_is_obeyed_in_its_level_too() -> None:
    own = _configure(root={"handlers": ["own"], "level": "WARNING"})
    out = io.StringIO()

    log.show(out, 2)
    logging.getLogger("worker").info("started")
    logging.getLogger("schedules.leader").warning("stands by")

    assert (own.getvalue(), out.getvalue()) == ("stands by\n", "")


def test_a_logger_that_is_kept_from_the_root_does_not_obey_it() -> None:
    own = _configure(root={"handlers": ["own"], "level": "ERROR"}, loggers={"worker": {"propagate": False}})
    out = io.StringIO()

    log.show(out, 1)
    logging.getLogger("worker.job").info("started")

    assert own.getvalue() == ""
    assert out.getvalue().endswith("job      started\n")


def test_what_has_a_place_below_is_not_said_twice() -> None:
    own = _configure(loggers={"worker.job": {"handlers": ["own"]}})
    out = io.StringIO()

    log.show(out, 1)
    logging.getLogger("worker.job").info("started")
    logging.getLogger("worker").info("stopping")

    assert own.getvalue() == "started\n"
    assert out.getvalue().endswith("worker   stopping\n")
    assert out.getvalue().count("\n") == 1


def test_a_logger_that_the_project_has_disabled_stays_silent() -> None:
    _configure(loggers={}, disable_existing_loggers=True)
    out = io.StringIO()

    log.show(out, 1)
    logging.getLogger("worker").error("lost")

    assert out.getvalue() == ""


def test_the_log_says_durations_in_words_and_short_ones_exactly() -> None:
    _configure()
    out = io.StringIO()
    log.show(out, 2)
    job = ClaimedJob(7, 1, "report", "[[],{}]", 0, 3, "[]", NOW, None, None, None, 0, 0, "default", NOW)
    error = Error(1, "OSError", "full", "", NOW)

    tell_started(job, NOW + timedelta(seconds=0.04))
    tell_started(job, NOW + timedelta(seconds=10_744))
    tell_ended(
        [
            Ended(job, Succeeded("null"), NOW, NOW + timedelta(seconds=185)),
            Ended(job, Retry(error, 7200.0), NOW, NOW + timedelta(seconds=0.5)),
            Ended(job, Snoozed(5400.0), NOW, NOW),
        ]
    )
    for retry_in in (0.25, 5.0, 95.0):
        database_lost.send_robust(None, name="web-1:7", error=OSError("gone"), retry_in=retry_in)
    leader_missing.send_robust(None, seconds=95.0)
    leader_synced.send_robust(
        None, schedules=2, next_run_at=NOW + timedelta(seconds=10_744), next_name="report", now=NOW
    )
    clock_leapt.send_robust(None, leader="web-1:7", seconds=-3600.0)

    assert [line[18:] for line in out.getvalue().splitlines()] == [
        "report #7 started, 0.04s after its time",
        "report #7 started, 2h 59m after its time",
        "report #7 succeeded in 3m 5s",
        "report #7 failed in 0.50s (OSError: full), attempt 1 of 3; next in 2h",
        "report #7 snoozed for 1h 30m",
        "web-1:7 lost the database (gone); again in 0.25s",
        "web-1:7 lost the database (gone); again in 5s",
        "web-1:7 lost the database (gone); again in 1m 35s",
        "no leader for 1m 35s: delayed jobs run, schedules wait. Start one: manage.py process_tasks --leader",
        "2 schedules in sync, next run in 2h 59m (report)",
        "the database's clock jumped back by 1h; the leader makes no ticks for a while",
    ]


def _configure(**what: Any) -> io.StringIO:
    """As in a new process with this LOGGING. Returns what the handler named own writes to."""
    for each in map(logging.getLogger, LOGGERS):
        each.setLevel(logging.NOTSET if each.parent else logging.WARNING)
        each.handlers[:], each.propagate, each.disabled = [], True, False
    own = io.StringIO()
    handlers = {"own": {"class": "logging.StreamHandler", "stream": own}}
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "handlers": handlers, **what})
    return own
