"""Run one job and return its outcome. It touches no table: the queue records the outcome."""

from __future__ import annotations

import inspect
import operator
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import CoroutineType
from typing import Any

from worker import backoff, results, signals, tasks
from worker.arguments import InvalidArguments, decode
from worker.arguments.sealed import CannotDecode
from worker.carry.restoring import with_context
from worker.codec import sealed
from worker.current import runs
from worker.messages.echo import echo
from worker.messages.errors import kind_of, message_of, path_of, traceback_of
from worker.outcomes import Cancelled, Error, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.own_options import task_of
from worker.raised import Cancel, Fail, Snooze, is_delay
from worker.raised import Retry as Again
from worker.telling import tell_raised
from worker.values import ClaimedJob


class FaultOfCode(Fail):
    """What the task did is wrong in a way that no further attempt would mend, though it does not say so itself."""


class WorkNotDone(FaultOfCode):
    """The task returned what would do its work, instead of doing it."""


def run(job: ClaimedJob, now: Callable[[], datetime], call: Callable[..., Any] = operator.call) -> Outcome:
    """Call the task of the job, which this process has. `now` reads the database's clock.

    `call(function, *args)` may do something around the call of the function, which raises if the task did not succeed.
    """
    task = task_of(job)
    if job.start_by is not None and now() > job.start_by:
        return Missed(f"Not started by {job.start_by.isoformat()}.")
    try:
        args, kwargs = decode(job.arguments)
    except CannotDecode as error:  # another worker may have the key, or this one after the next deploy
        return after_error(job, task, error, now())
    except InvalidArguments as error:  # no further attempt would find others
        return Failed(_told(job, error, now()))
    try:
        told = _call if job.task_options is None else partial(_call_told, job)
        return call(told, task, args, kwargs)  # type: ignore[no-any-return]
    except Fail as error:
        return Failed(_told(job, error, now()))
    except Cancel as reason:
        return Cancelled(message_of(reason))
    except Snooze as pause:
        return _snoozed(pause) or after_error(job, task, pause, now())
    except BaseException as error:  # noqa: BLE001  SystemExit and CancelledError in a task are outcomes too
        return after_error(job, task, error, now())


def _call_told(job: ClaimedJob, task: tasks.Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Succeeded:
    try:
        return with_context(job, _call, task, args, kwargs)
    except BaseException as error:
        tell_raised(job, error)
        raise


def _call(task: tasks.Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Succeeded:
    result = task.function(*args, **kwargs)
    if result is None and not task.keep_result:
        return _NOTHING
    if type(result) is results.Encoded:
        return Succeeded(result.value, sealed(result.text) if task.keep_result else None)
    # Of a result only the type is looked at: it may be lazy, and refuse or do anything when it is touched.
    if type(result) not in _DONE and issubclass(type(result), (Awaitable, Generator, AsyncGenerator)):
        raise _not_done(result)
    return Succeeded(result, sealed(results.encode(result)) if task.keep_result else None)


def _not_done(result: Any) -> WorkNotDone:
    if isinstance(result, CoroutineType) and inspect.getcoroutinestate(result) == inspect.CORO_CREATED:
        result.close()  # or Python would warn, at some time and in some place, that it was never awaited
    name = getattr(result, "__qualname__", type(result).__qualname__)
    return WorkNotDone(f"The task returned {_kind(result)}: {name}. It must do its work before it returns.")


def _kind(result: Any) -> str:
    match result:
        case Coroutine():
            return "a coroutine that was not awaited"
        case Awaitable():
            return "an awaitable that was not awaited"
        case AsyncGenerator():
            return "an async generator that did not run"
        case _:
            return "a generator that did not run"


def after_error(job: ClaimedJob, task: tasks.Task, error: BaseException, now: datetime) -> Outcome:
    """Another attempt, or the end: when they are used up or not wanted, or the next would come too late."""
    what = _told(job, error, now)
    if what.attempt >= job.max_attempts or (delay := _delay(job, task, error)) is None:
        return Failed(what)
    if job.retry_before is not None and now + timedelta(seconds=delay) >= job.retry_before:
        return Failed(what)
    return Retry(what, delay)


def after_fault(job: ClaimedJob, error: BaseException, now: datetime) -> Outcome:
    """The same where the run itself broke down, by a fault of ours."""
    try:
        return after_error(job, task_of(job), error, now)
    except BaseException:  # noqa: BLE001  an outcome, whatever happens
        return Failed(_told(job, error, now))


def _snoozed(pause: Snooze) -> Snoozed | None:
    seconds = _seconds(pause)
    return None if seconds is None else Snoozed(seconds)


def _seconds(said: BaseException) -> float | None:
    """A class of the task's own may have mislaid how long."""
    seconds = vars(said).get("seconds")
    return seconds if is_delay(seconds) else None


def _delay(job: ClaimedJob, task: tasks.Task, error: BaseException) -> float | None:
    """Seconds until the next attempt. None: there is to be none."""
    if issubclass(type(error), Again):  # isinstance would ask the error itself, which may raise
        if (said := _seconds(error)) is not None:
            return said
    elif not task.may_retry(error):
        return None
    if callable(task.backoff):
        try:
            return _asked(task.backoff, error, job)
        except BaseException as fault:  # noqa: BLE001  it is the project's, and an attempt that failed has an outcome
            signals.backoff_failed.send_robust(None, job=job, error=fault)
    return task.retry_delay(job.attempts + 1, job.id)


def _asked(function: backoff.Asked, error: BaseException, job: ClaimedJob) -> float | None:
    seconds = function(error, runs.as_told(job))
    if seconds is not None and not backoff.is_delay(seconds):
        raise ValueError(f"The backoff returned {echo(seconds)}, but must return seconds from 0 to 86400, or None.")
    return seconds


_DONE = frozenset({type(None), bool, int, float, str, list, dict, tuple})
"""What most results are. To ask a type for its abstract bases takes a microsecond."""
_NOTHING = Succeeded()
"""What most tasks return."""


def _told(job: ClaimedJob, error: BaseException, now: datetime) -> Error:
    return Error(job.attempts + 1, kind_of(error), message_of(error), traceback_of(error), now, path_of(error))
