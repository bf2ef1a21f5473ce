"""Telling what happens: whatever a receiver or a part of the log raises, who tells goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from django.dispatch import Signal

import schedules.signals
import worker.signals
from tests.worker.running.test_execution import NOW, job
from worker import events, signals
from worker.events import Event
from worker.outcomes import Error, Failed, Retry, Succeeded
from worker.telling import tell_ended, tell_started
from worker.values import Ended

OUTCOMES = [Succeeded(), Retry(Error(1, "ValueError", "no", "", NOW), 0), Failed(Error(5, "ValueError", "no", "", NOW))]


def fail(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("what watches fails; password=hunter2\nforged")


def leave(*_: Any, **__: Any) -> NoReturn:
    raise SystemExit(1)


class BadFilter(logging.Filter):
    filter = fail


class BadHandler(logging.Handler):
    handle = emit = fail


class BadFormatter(logging.Formatter):
    format = fail


@pytest.fixture(autouse=True)
def nothing_failed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_unheard", type(events._unheard)())


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The log of jobs, as a project has set it up."""
    log = logging.getLogger("worker.job")
    level, filters, handlers = log.level, log.filters[:], log.handlers[:]
    log.setLevel(logging.INFO)
    yield log
    log.setLevel(level)
    log.filters[:], log.handlers[:] = filters, handlers


def a_filter(log: logging.Logger) -> None:
    log.addFilter(BadFilter())


def a_handler(log: logging.Logger) -> None:
    log.addHandler(BadHandler())


def a_formatter(log: logging.Logger) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(BadFormatter())
    handler.handleError = fail  # type: ignore[method-assign]
    log.addHandler(handler)


@pytest.mark.parametrize("break_down", [a_filter, a_handler, a_formatter])
@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_a_part_of_the_log_that_raises_is_said_on_stderr_and_stops_nobody(
    log: logging.Logger,
    break_down: Callable[[logging.Logger], None],
    outcome: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    break_down(log)
    heard: list[str] = []

    def hear(**what: Any) -> None:
        heard.append(what["job"].task)

    for signal in (signals.job_started, signals.job_ended):
        signal.connect(hear)
    try:
        tell_started(job(), NOW)
        tell_ended([Ended(job(), outcome, NOW, NOW)])
    finally:
        for signal in (signals.job_started, signals.job_ended):
            signal.disconnect(hear)

    assert heard == ["task", "task"]
    first, *_ = said = capsys.readouterr().err.splitlines()
    assert first.startswith("a receiver or a log handler has failed; no job is affected: RuntimeError: what")
    assert "test_events.py, line " in first
    assert "hunter2" not in first
    assert len(said) <= 2


ALL = [
    pytest.param(signal, id=f"{module.__name__}.{name}")
    for module in (worker.signals, schedules.signals)
    for name, signal in vars(module).items()
    if isinstance(signal, Signal)
]


@pytest.mark.parametrize("receive", [fail, leave])
@pytest.mark.parametrize("signal", ALL)
def test_a_receiver_of_any_signal_may_raise_whatever_it_likes(signal: Signal, receive: Callable[..., None]) -> None:
    assert isinstance(signal, Event)
    told = {"job": job(), "error": ValueError("no"), "late": 0.0}
    signal.connect(receive)
    try:
        signal.send_robust(None, **told)
    finally:
        signal.disconnect(receive)


def test_a_receiver_that_raises_where_even_the_log_of_that_fails_is_said_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    event, log, bad = Event(), logging.getLogger("django.dispatch"), BadFilter()
    event.connect(fail)
    log.addFilter(bad)
    try:
        event.send_robust(None)
    finally:
        log.removeFilter(bad)

    assert "a receiver or a log handler has failed" in capsys.readouterr().err


def test_what_fails_again_and_again_is_not_said_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    event = Event()
    event.connect(leave)
    for _ in range(150):
        event.send_robust(None)

    said = capsys.readouterr().err.splitlines()
    assert [line.rpartition("; ")[2] for line in said] == ["1 so far)", "10 so far)", "100 so far)"]


def test_nothing_is_raised_where_standard_error_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    event = Event()
    event.connect(leave)

    event.send_robust(None)
