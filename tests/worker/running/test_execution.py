"""Running one job: whatever the task does, it yields an outcome. No database is touched."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from types import coroutine as coroutine_of_generator
from typing import Any, NoReturn

import pytest
from django.db import OperationalError
from django.utils.functional import SimpleLazyObject

import worker
from schedules.testing import isolated_registry
from tests.conformance.worker.process.workers import heard
from tests.schedules.recurrence.moments import at
from tests.worker.messages.test_errors import WHERE
from worker import CurrentJob, signals, tasks
from worker.arguments import encode
from worker.messages import errors
from worker.outcomes import Cancelled, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.raised import Cancel, Fail, Snooze
from worker.running import execution
from worker.tasks import Task
from worker.values import ClaimedJob

NOW = at("10:00")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even its message")


class UnprintableByExit(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


def job(*args: Any, **given: Any) -> ClaimedJob:
    """Job 7 of the task under test, in its first of five attempts."""
    values: dict[str, Any] = {
        "id": 7,
        "claim": 1,
        "task": "task",
        "arguments": encode(args, given.pop("kwargs", {})),
        "attempts": 0,
        "max_attempts": 5,
        "errors": "",
        "run_at": NOW,
        "start_by": None,
        "retry_before": None,
        "schedule_id": None,
        "interruptions": 0,
        "priority": 0,
        "queue": "default",
        "enqueued_at": NOW,
    }
    return ClaimedJob(**{**values, **given})


Run = Callable[..., Outcome]


@pytest.fixture
def run() -> Run:
    """Run a job of this function: `run(function, job)`."""

    def run(function: Callable[..., Any], job: ClaimedJob, now: datetime = NOW, **options: Any) -> Outcome:
        with isolated_registry():
            tasks.register(Task(function, "task", **options))
            return execution.run(job, lambda: now)

    return run


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def task() -> NoReturn:
        raise error

    return task


def test_what_a_task_returns_is_its_result(run: Run) -> None:
    assert run(lambda a, *, b: [a, b], job(1, kwargs={"b": 2})) == Succeeded([1, 2])


async def coroutine() -> None:
    """Somebody would have to await it."""


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


class Promised:
    def __await__(self) -> Iterator[None]:
        yield


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("returned", "what"),
    [
        (coroutine, "a coroutine that was not awaited: coroutine"),
        (generator, "a generator that did not run: generator"),
        (async_generator, "an async generator that did not run: async_generator"),
        (Promised, "an awaitable that was not awaited: Promised"),
    ],
    ids=["coroutine", "generator", "async generator", "awaitable"],
)
def test_a_task_that_returns_its_work_undone_has_failed_and_is_not_tried_again(
    run: Run, returned: Callable[[], Any], what: str
) -> None:
    outcome = run(lambda: returned(), job())
    gc.collect()  # what is never awaited is told when it goes

    assert isinstance(outcome, Failed)
    assert outcome.error.kind == "WorkNotDone"
    assert outcome.error.message == f"The task returned {what}. It must do its work before it returns."


def test_a_future_is_no_result(run: Run) -> None:
    with closing(asyncio.new_event_loop()) as loop:
        outcome = run(loop.create_future, job())

    assert isinstance(outcome, Failed)
    assert "an awaitable that was not awaited: Future" in outcome.error.message


def test_a_coroutine_that_somebody_is_running_is_left_to_them(run: Run) -> None:
    running = suspended()
    running.send(None)

    assert isinstance(run(lambda: running, job()), Failed)
    with pytest.raises(StopIteration):
        running.send(None)


@coroutine_of_generator
def pause() -> Iterator[None]:
    yield


async def suspended() -> None:
    await pause()


def test_a_lazy_result_is_not_evaluated(run: Run) -> None:
    evaluated: list[int] = []
    lazy = SimpleLazyObject(lambda: evaluated.append(1))

    outcome = run(lambda: lazy, job())

    assert isinstance(outcome, Succeeded)
    assert outcome.result is lazy
    assert evaluated == []


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        RecursionError(),
        MemoryError(),
        StopIteration(),
        ExceptionGroup("both", [ValueError("one"), TypeError("two")]),
        BaseExceptionGroup("both", [KeyboardInterrupt(), SystemExit()]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_task_raises_is_an_outcome(run: Run, error: BaseException) -> None:
    outcome = run(raising(error), job())

    assert isinstance(outcome, Retry)
    assert (outcome.error.kind, outcome.error.message) == (type(error).__qualname__, str(error))
    assert (outcome.error.attempt, outcome.error.at) == (1, NOW)
    assert type(error).__name__ in outcome.error.traceback
    assert "raise error" in outcome.error.traceback


@pytest.mark.parametrize("error", [Unprintable(), UnprintableByExit()], ids=lambda error: type(error).__name__)
def test_an_error_that_cannot_be_printed_is_an_outcome_like_others(run: Run, error: BaseException) -> None:
    outcome = run(raising(error), job())

    assert isinstance(outcome, Retry)
    assert outcome.error.kind == type(error).__name__
    assert outcome.error.message == "(its message cannot be shown)"
    assert "raise error" in outcome.error.traceback


def test_a_cancel_that_cannot_be_printed_cancels(run: Run) -> None:
    assert run(raising(type("Quietly", (Unprintable, Cancel), {})()), job()) == Cancelled(
        "(its message cannot be shown)"
    )


def test_messages_become_what_every_database_accepts(run: Run) -> None:
    hostile = "nul \x00, half a pair \ud800, bell \U0001f514"
    accepted = "nul \\x00, half a pair \\ud800, bell \U0001f514"

    outcome = run(raising(ValueError(hostile)), job())

    assert isinstance(outcome, Retry)
    assert outcome.error.message == accepted
    assert accepted in outcome.error.traceback
    assert run(raising(Cancel(hostile)), job()) == Cancelled(accepted)


def test_of_endless_messages_the_beginning_and_the_end_are_kept(run: Run) -> None:
    outcome = run(raising(ValueError(f"first{'x' * 10**6}last")), job())

    assert isinstance(outcome, Retry)
    for text in (outcome.error.message, outcome.error.traceback):
        assert len(text) < 1.1 * errors.LONGEST_TOLD
        assert text.rstrip().endswith("last")
    assert outcome.error.message.startswith("first")
    assert outcome.error.traceback.startswith("Traceback")


def test_what_a_job_says_of_its_task_wins(run: Run) -> None:
    own = job()._replace(task_options='{"backoff": [600.0], "unheard_of": 7}')

    outcome = run(raising(ValueError()), own, backoff=[5])

    assert isinstance(outcome, Retry)
    assert 600 <= outcome.delay <= 660


@pytest.mark.parametrize("text", ["", "7", "{", '{"atomic": "maybe"}'])
def test_a_job_whose_own_options_cannot_be_read_fails_alone(run: Run, text: str) -> None:
    own = job()._replace(task_options=text)

    with pytest.raises((ValueError, TypeError)) as refused:
        run(lambda: None, own)

    assert isinstance(execution.after_fault(own, refused.value, NOW), Failed)


def test_fail_ends_the_job_as_failed_with_its_traceback_though_attempts_are_left(run: Run) -> None:
    outcome = run(raising(Fail("no such customer")), job())

    assert isinstance(outcome, Failed)
    assert (outcome.error.kind, outcome.error.message) == ("Fail", "no such customer")
    assert "raise error" in outcome.error.traceback


def test_cancel_ends_the_job_with_the_reason(run: Run) -> None:
    assert run(raising(Cancel("the user is gone")), job()) == Cancelled("the user is gone")
    assert run(raising(Cancel()), job(attempts=4)) == Cancelled("")


@pytest.mark.parametrize(("delay", "seconds"), [(0, 0), (90, 90), (timedelta(hours=1), 3600)])
def test_snooze_runs_the_job_later(run: Run, delay: float | timedelta, seconds: float) -> None:
    assert run(raising(Snooze(delay)), job(attempts=4)) == Snoozed(seconds)


def test_a_snooze_that_could_not_be_kept_is_an_error_of_the_task(run: Run) -> None:
    def task() -> NoReturn:
        raise Snooze(-1)

    outcome = run(task, job())

    assert isinstance(outcome, Retry)
    assert outcome.error.kind == "ValueError"


def test_a_snooze_that_has_mislaid_how_long_is_an_error_of_the_task(run: Run) -> None:
    def forget(self: Snooze) -> None:
        Exception.__init__(self, "soon")

    outcome = run(raising(type("Soon", (Snooze,), {"__init__": forget})()), job())

    assert isinstance(outcome, Retry)
    assert (outcome.error.kind, outcome.error.message) == ("Soon", "soon")


@pytest.mark.parametrize("error", [SyntaxError("unknown word", WHERE), Unprintable()])
def test_an_error_that_python_cannot_print_keeps_its_kind_and_its_retries(run: Run, error: BaseException) -> None:
    outcome = run(raising(error), job())

    assert isinstance(outcome, Retry)
    assert outcome.error.kind == type(error).__name__
    assert "raise error" in outcome.error.traceback


@pytest.mark.parametrize("attempt", [1, 2, 4])
def test_a_failed_attempt_is_followed_by_another_after_its_backoff(run: Run, attempt: int) -> None:
    task = Task(raising(ValueError()), "task")

    outcome = run(raising(ValueError("no")), job(attempts=attempt - 1))

    assert isinstance(outcome, Retry)
    assert outcome.error.attempt == attempt
    assert outcome.delay == task.retry_delay(attempt, job_id=7)


# What the task says of its retries


@pytest.mark.parametrize(("after", "seconds"), [(0, 0), (90, 90), (timedelta(hours=1), 3600), (86_401, 86_401)])
def test_a_task_says_when_its_next_attempt_is(run: Run, after: float | timedelta, seconds: float) -> None:
    outcome = run(raising(worker.Retry(after=after, reason="too many requests")), job())

    assert isinstance(outcome, Retry)
    assert outcome.delay == seconds
    assert (outcome.error.kind, outcome.error.message, outcome.error.attempt) == ("Retry", "too many requests", 1)
    assert outcome.error.exception == "worker.Retry"


def test_a_task_that_asks_for_another_attempt_and_says_not_when_has_its_backoff(run: Run) -> None:
    outcome = run(raising(worker.Retry(reason="later")), job(), backoff=[600])

    assert isinstance(outcome, Retry)
    assert 600 <= outcome.delay <= 660


def test_another_attempt_is_an_attempt(run: Run) -> None:
    outcome = run(raising(worker.Retry(after=5, reason="later")), job(attempts=4))

    assert isinstance(outcome, Failed)
    assert outcome.error.message == "later"


@pytest.mark.parametrize("after", [-1, float("nan"), float("inf"), timedelta(days=5000)])
def test_a_retry_that_could_not_be_kept_is_refused(after: Any) -> None:
    with pytest.raises(ValueError, match=r"the delay must be a number of seconds from 0 to"):
        worker.Retry(after=after)


class Busy(ConnectionError):
    pass


@pytest.mark.parametrize(
    ("options", "error", "outcome"),
    [
        ({"retry_on": [ConnectionError]}, Busy(), Retry),
        ({"retry_on": [ConnectionError]}, ValueError(), Failed),
        ({"retry_on": []}, ValueError(), Failed),
        ({"retry_on": ("builtins.OSError",)}, Busy(), Retry),
        ({"retry_on": (f"{__name__}.Busy",)}, Busy(), Retry),
        ({"retry_on": ("nowhere.Busy",)}, Busy(), Failed),
        ({"retry_on": ("django.db.OperationalError",)}, OperationalError(), Retry),  # made in django.db.utils
        ({"give_up_on": [ConnectionError]}, Busy(), Failed),
        ({"give_up_on": ["builtins.OSError"]}, Busy(), Failed),
        ({"give_up_on": [ConnectionError]}, ValueError(), Retry),
        ({"retry_on": [OSError], "give_up_on": [Busy]}, Busy(), Failed),
        ({"retry_on": [OSError], "give_up_on": [Busy]}, OSError(), Retry),
        ({"retry_on": [OSError]}, worker.Retry(), Retry),
        ({"retry_on": [Exception]}, Fail("never"), Failed),
        ({"retry_on": [Exception]}, SystemExit(1), Failed),
    ],
)
def test_only_the_errors_that_a_task_names_are_tried_again(
    run: Run, options: dict[str, Any], error: BaseException, outcome: type[Outcome]
) -> None:
    assert type(run(raising(error), job(), **options)) is outcome


def test_a_function_says_when_the_next_attempt_is(run: Run) -> None:
    asked: list[Any] = []

    def backoff(error: BaseException, job: CurrentJob) -> float:
        asked.extend((error, job.id, job.attempt))
        return 7

    error = ValueError()
    outcome = run(raising(error), job(attempts=2), backoff=backoff)

    assert isinstance(outcome, Retry)
    assert outcome.delay == 7
    assert asked == [error, 7, 3]


def test_a_function_that_gives_up_ends_the_job(run: Run) -> None:
    assert isinstance(run(raising(ValueError()), job(), backoff=lambda _error, _job: None), Failed)


@pytest.mark.parametrize("said", [-1, "soon", True, float("nan"), 10**6, ZeroDivisionError(), SystemExit()], ids=repr)
def test_a_function_that_says_no_delay_is_told_and_the_default_holds(run: Run, said: Any) -> None:
    def backoff(error: BaseException, job: CurrentJob) -> Any:
        if isinstance(said, BaseException):
            raise said
        return said

    with heard(signals.backoff_failed) as told:
        outcome = run(raising(ValueError("no")), job(), backoff=backoff)

    assert isinstance(outcome, Retry)
    assert (outcome.error.kind, outcome.error.message) == ("ValueError", "no")
    assert outcome.delay == Task(print, "task").retry_delay(1, job_id=7)
    assert len(told) == 1


@pytest.mark.parametrize(("attempts", "max_attempts"), [(4, 5), (0, 1), (7, 5)])
def test_the_last_attempt_fails_for_good(run: Run, attempts: int, max_attempts: int) -> None:
    outcome = run(raising(ValueError("no")), job(attempts=attempts, max_attempts=max_attempts))

    assert isinstance(outcome, Failed)
    assert outcome.error.attempt == attempts + 1


@pytest.mark.parametrize(
    ("retry_before", "outcome"), [("10:00:59", Failed), ("10:01", Failed), ("10:01:07", Retry), ("09:00", Failed)]
)
def test_no_retry_starts_at_its_deadline_or_later(run: Run, retry_before: str, outcome: type[Outcome]) -> None:
    ended = run(raising(ValueError("no")), job(retry_before=at(retry_before)), backoff=[60])

    assert type(ended) is outcome


def test_a_job_that_starts_after_its_deadline_is_missed_and_not_run(run: Run) -> None:
    ran: list[int] = []

    outcome = run(lambda: ran.append(1), job(start_by=at("09:59:59")))

    assert outcome == Missed("Not started by 2026-07-01T09:59:59+00:00.")
    assert ran == []


@pytest.mark.parametrize("start_by", ["10:00", "10:01"])
def test_a_job_that_starts_by_its_deadline_runs(run: Run, start_by: str) -> None:
    assert run(lambda: "ran", job(start_by=at(start_by))) == Succeeded("ran")


@pytest.mark.parametrize("arguments", ["", "[", "[[]]", '{"a":1}', "[[],{}", "7", '"ab"', '{"a":1,"b":2}', "[{},[]]"])
def test_arguments_that_cannot_be_read_end_the_job_without_a_call_and_without_a_retry(run: Run, arguments: str) -> None:
    outcome = run(lambda *_args, **_kwargs: "ran", job(arguments=arguments))

    assert isinstance(outcome, Failed)
    assert outcome.error.kind == "InvalidArguments"


def test_arguments_that_do_not_fit_are_an_error_of_the_job(run: Run) -> None:
    outcome = run(lambda: "ran", job(1, 2))

    assert isinstance(outcome, Retry)
    assert outcome.error.kind == "TypeError"
