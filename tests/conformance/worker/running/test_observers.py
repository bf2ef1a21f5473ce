"""What observes a job cannot change how it ends: its outcome is its own, and the slot works on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any, NoReturn

import pytest

from schedules import background
from tests.app.models import Effect
from tests.app.tasks import leave_trace
from tests.conformance.worker.process.workers import Crew, slots
from tests.processes import eventually
from tests.worker.messages.test_errors import HOSTILE, throw
from worker import events, signals
from worker.events import Event
from worker.models import FinishedJob, Job

pytestmark = pytest.mark.usefixtures("database", "own_declarations")


@pytest.fixture(autouse=True)
def nothing_failed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_unheard", type(events._unheard)())


def fail(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("what watches fails")


def leave(*_: Any, **__: Any) -> NoReturn:
    raise SystemExit(1)


@contextmanager
def bad_filter() -> Iterator[None]:
    log, bad = logging.getLogger("worker.job"), logging.Filter()
    bad.filter = fail  # type: ignore[method-assign]
    level = log.level
    log.addFilter(bad)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeFilter(bad)
        log.setLevel(level)


@contextmanager
def bad_handler() -> Iterator[None]:
    log, bad = logging.getLogger("worker"), logging.Handler()
    bad.handle = leave  # type: ignore[method-assign]
    log.addHandler(bad)
    try:
        yield
    finally:
        log.removeHandler(bad)


@contextmanager
def bad_formatter() -> Iterator[None]:
    log, handler, formatter = logging.getLogger("worker"), logging.StreamHandler(StringIO()), logging.Formatter()
    formatter.format = leave  # type: ignore[method-assign]
    handler.setFormatter(formatter)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


@contextmanager
def bad_receivers() -> Iterator[None]:
    """Of each signal that stops nothing."""
    all_events = [each for each in vars(signals).values() if isinstance(each, Event)]
    for event in all_events:
        event.connect(leave)
    try:
        yield
    finally:
        for event in all_events:
            event.disconnect(leave)


OBSERVERS = [bad_filter, bad_handler, bad_formatter, bad_receivers]


def succeed_or_fail(trace: str) -> None:
    Effect.objects.create(key=trace)
    if trace == "fail":
        raise ValueError("its own")


@pytest.mark.parametrize("observed", OBSERVERS, ids=lambda observer: observer.__name__)
@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_whatever_observes_a_job_and_raises_it_ends_with_its_own_outcome_and_its_slot_lives(
    crew: Crew, observed: Callable[[], Any], atomic: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    task = background(max_attempts=2, backoff=[0], atomic=atomic)(succeed_or_fail)
    failed, succeeded = task.enqueue("fail"), task.enqueue("succeed")

    with observed():
        hand = crew.start(threads=1)
        eventually(lambda: not Job.objects.exists())
        leave_trace("afterwards")
        eventually(lambda: Effect.objects.filter(key="afterwards").exists())
        assert (hand.works, len(slots())) == (True, 1)

    rows = FinishedJob.objects.in_bulk([failed.pk, succeeded.pk])
    assert (rows[succeeded.pk].state, rows[succeeded.pk].attempts) == ("succeeded", 1)
    assert (rows[failed.pk].state, rows[failed.pk].attempts) == ("failed", 2)
    assert rows[failed.pk].reason == "ValueError: its own"
    assert "a receiver or a log handler has failed; no job is affected" in capsys.readouterr().err


def raise_it(how: str) -> NoReturn:
    throw(HOSTILE[how][0]())
    raise AssertionError


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_an_error_that_does_not_want_to_be_told_is_told_and_tried_again(crew: Crew, atomic: bool) -> None:
    task = background(max_attempts=2, backoff=[0], atomic=atomic)(raise_it)
    jobs = {task.enqueue(how).pk: how for how in HOSTILE}

    crew.work_until_idle(threads=1)

    rows = FinishedJob.objects.in_bulk(list(jobs))
    for pk, how in jobs.items():
        _, kind, message = HOSTILE[how]
        assert (rows[pk].state, rows[pk].attempts) == ("failed", 2)
        assert [(each["kind"], each["message"]) for each in rows[pk].error_list] == [(kind, message)] * 2
        assert all("throw(" in each["traceback"] for each in rows[pk].error_list)
