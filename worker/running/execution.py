"""Run one job and say what happened, as a value. It touches no table: recording is the queue's business."""

from __future__ import annotations

import inspect
import operator
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from traceback import format_exception
from types import CoroutineType
from typing import Any

from worker import tasks
from worker.arguments import InvalidArguments, decode
from worker.outcomes import (
    Cancel,
    Cancelled,
    Error,
    Failed,
    Missed,
    Outcome,
    Retry,
    Snooze,
    Snoozed,
    Succeeded,
)
from worker.values import ClaimedJob

LONGEST_TEXT = 20_000
"""Characters of a message or a traceback that are kept: its beginning and its end."""


class WorkNotDone(Exception):
    """The task returned what would do its work, instead of doing it."""


def run(job: ClaimedJob, now: Callable[[], datetime], call: Callable[..., Any] = operator.call) -> Outcome:
    """Call the task of the job, which this process has. `now` reads the database's clock.

    `call(function, *args)` may do something around the call of the function, which raises if the task did not succeed.
    """
    task = tasks.get(job.task)
    if job.start_by is not None and now() > job.start_by:
        return Missed(f"Not started by {job.start_by.isoformat()}.")
    try:
        args, kwargs = decode(job.arguments)
    except InvalidArguments as error:  # no further attempt would find others
        return Failed(_told(job, error, now()))
    try:
        return Succeeded(call(_call, task.function, args, kwargs))
    except WorkNotDone as error:  # nor would a further attempt do it
        return Failed(_told(job, error, now()))
    except Cancel as reason:
        return Cancelled(_said_by(reason))
    except Snooze as pause:
        return Snoozed(pause.seconds)
    except BaseException as error:  # noqa: BLE001  SystemExit and CancelledError in a task are outcomes too
        return after_error(job, task, error, now())


def _call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    result = function(*args, **kwargs)
    # Of a result only the type is looked at: it may be lazy, and refuse or do anything when it is touched.
    if result is not None and issubclass(type(result), (Awaitable, Generator, AsyncGenerator)):
        raise _not_done(result)
    return result


def _not_done(result: Any) -> WorkNotDone:
    if isinstance(result, CoroutineType) and inspect.getcoroutinestate(result) == inspect.CORO_CREATED:
        result.close()  # or Python would warn, at some time and in some place, that it was never awaited
    name = getattr(result, "__qualname__", type(result).__qualname__)
    return WorkNotDone(f"The task returned {_kind(result)}: {name}. It must do its work before it returns.")


def _kind(result: Any) -> str:
    match result:
        case Coroutine():
            return "a coroutine that nobody awaited"
        case Awaitable():
            return "an awaitable that nobody awaited"
        case AsyncGenerator():
            return "an async generator that nobody ran"
        case _:
            return "a generator that nobody ran"


def after_error(job: ClaimedJob, task: tasks.Task, error: BaseException, now: datetime) -> Outcome:
    """Another attempt, or the end: when they are used up, or the next would come too late."""
    what = _told(job, error, now)
    delay = task.retry_delay(what.attempt, job.id)
    too_late = job.retry_before is not None and now + timedelta(seconds=delay) >= job.retry_before
    if what.attempt >= job.max_attempts or too_late:
        return Failed(what)
    return Retry(what, delay)


def _told(job: ClaimedJob, error: BaseException, now: datetime) -> Error:
    traceback = _storable("".join(format_exception(error)))
    return Error(job.attempts + 1, _storable(type(error).__qualname__), _said_by(error), traceback, now)


def _said_by(error: BaseException) -> str:
    try:
        return _storable(str(error))
    except BaseException:  # noqa: BLE001  whatever its own method raises, the outcome is that of the task
        return "(its message cannot be shown)"


def _storable(text: str) -> str:
    """What every database accepts, and no statement is too long for: one bad text would block a whole batch."""
    if len(text) > LONGEST_TEXT:
        text = f"{text[: LONGEST_TEXT // 2]}\n…\n{text[-LONGEST_TEXT // 2 :]}"
    return text.replace("\x00", "\\x00").encode(errors="backslashreplace").decode()
