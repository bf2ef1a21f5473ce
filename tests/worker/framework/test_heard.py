"""A Task is told of only where somebody hears it: a receiver, or a handler of the log that takes the line."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import django
import pytest
from django.utils.log import RequireDebugTrue

from worker import framework, signals
from worker.current import under_way
from worker.current.runs import Run
from worker.framework import told
from worker.framework.heard import is_heard
from worker.values import ClaimedJob

SIGNALS = STARTED, _ = framework.task_started, framework.task_finished
of_django_itself = pytest.mark.skipif(django.VERSION < (6, 0), reason="receivers of a package hear of all")
NOW = datetime(2024, 1, 1, tzinfo=UTC)
JOB = ClaimedJob(
    *(1, 2, "shop.tasks.bill", "[[],{}]", 0, 1, "", NOW, None, None, None, 0, 0, "default", NOW),
    task_options='{"backend": "default"}',
)


class Nobody:
    def tell(self, *_: Any) -> None: ...


@of_django_itself
@pytest.mark.parametrize("signal", SIGNALS)
def test_under_the_default_settings_of_django_nobody_hears_of_a_task(signal: Any) -> None:
    assert not heard(signal)


@of_django_itself
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_receiver_hears_of_it(signal: Any) -> None:
    def receiver(**_: Any) -> None: ...

    signal.connect(receiver)
    try:
        assert heard(signal)
    finally:
        signal.disconnect(receiver)
    assert not heard(signal)


@of_django_itself
def test_a_handler_that_takes_the_line_hears_of_it(settings: Any) -> None:
    handler = logging.NullHandler(logging.INFO)
    assert heard(STARTED, handler)
    handler.addFilter(RequireDebugTrue())
    assert not heard(STARTED, handler)
    settings.DEBUG = True
    assert heard(STARTED, handler)
    assert heard(STARTED)
    settings.DEBUG = False
    assert not heard(STARTED, logging.NullHandler(logging.WARNING))


@of_django_itself
def test_a_filter_that_stands_before_that_of_django_sees_the_line() -> None:
    handler = logging.NullHandler()
    handler.addFilter(lambda _: True)
    handler.addFilter(RequireDebugTrue())
    assert heard(STARTED, handler)


@of_django_itself
def test_a_logger_that_does_not_want_it_or_passes_nothing_on_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    handler, log = logging.NullHandler(), logging.getLogger("django.tasks")
    with monkeypatch.context() as patched:
        patched.setattr(log, "propagate", False)
        assert not heard(STARTED, handler)
    assert heard(STARTED, handler)
    log.setLevel(logging.WARNING)
    try:
        assert not heard(STARTED, handler)
    finally:
        log.setLevel(logging.NOTSET)


@of_django_itself
def test_what_stands_in_the_place_of_the_handlers_or_filters_the_logger_hears_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def collect(self: logging.Logger, record: logging.LogRecord) -> None: ...

    with monkeypatch.context() as patched:
        patched.setattr(logging.Logger, "callHandlers", collect)
        assert heard(STARTED)
    assert not heard(STARTED)
    monkeypatch.setattr(logging.getLogger("django.tasks"), "filters", [lambda _: True])
    assert heard(STARTED)


@pytest.mark.parametrize(
    ("signal", "more"),
    [
        (signals.job_lost, {}),
        (signals.job_put_off, {"error": RuntimeError("no session"), "retry_in": 1.0}),
    ],
)
def test_a_run_that_is_lost_or_put_off_leaves_nothing_behind(signal: Any, more: dict[str, Any]) -> None:
    token = under_way.set(Run(JOB, NOW, "worker", Nobody()))
    try:
        told._started(JOB)
        assert JOB.hold in told._under_way
        signal.send_robust(None, job=JOB, **more)
        assert JOB.hold not in told._under_way
    finally:
        under_way.reset(token)


def heard(signal: Any, *handlers: logging.Handler) -> bool:
    """Under Django's own LOGGING, with these handlers of all loggers, and without those of pytest."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(logging.root, "handlers", [*handlers])
        return is_heard(signal)
