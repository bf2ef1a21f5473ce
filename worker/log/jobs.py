"""What the log says of jobs.

A job that ends in a moment has one line, at its end. That it has started is said of a job that runs for longer, while
it does, and of every job where DEBUG is heard.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from worker import signals
from worker.events import say_seldom
from worker.log import writer
from worker.log.line import Line, indented
from worker.log.speaker import Speaker
from worker.masking import line
from worker.messages.durations import measured, pause
from worker.messages.errors import message_of, traceback_of
from worker.outcomes import Cancelled, Error, Failed, Missed, Retry, Snoozed, Succeeded
from worker.values import ClaimedJob, Ended

MOMENT = 1.0
"""Seconds. Of a job that runs for longer, people want to know that it does."""
LONG_PAUSE = 1.0
"""Seconds: before that, what is missing may be there at the next try, and nobody has to look after it."""

log = Speaker("worker.job")

_starts: dict[int, tuple[ClaimedJob, datetime, float]] = {}
"""By id, the jobs that have begun, of which nobody has said that: in order, and since when by a monotonic clock."""


# Each job passes through these two.


def started(job: ClaimedJob, started_at: datetime) -> None:
    """In the thread that runs the job, before it does."""
    if not log.is_heard(logging.INFO):
        return
    if log.is_heard(logging.DEBUG):
        log.debug("%s #%d started, %s after its time", job.task, job.id, _late(job, started_at))
    elif writer.is_at_work():
        _starts[job.id] = job, started_at, time.monotonic()


def ended(ended: Sequence[Ended]) -> None:
    if _starts:
        for each in ended:
            _starts.pop(each.job.id, None)
    if not log.is_heard(logging.INFO):
        ended = [each for each in ended if not isinstance(each.outcome, Succeeded)]
    log.say([_end(each) for each in ended])


def say_which_run() -> None:
    """To be called again and again."""
    for job, started_at, since in list(_starts.values()):
        if (runs := time.monotonic() - since) < MOMENT:
            return
        _starts.pop(job.id, None)
        what = "%s #%d started %s ago, %s after its time, and still runs"
        log.info(what, job.task, job.id, measured(runs), _late(job, started_at))


def forget_starts() -> None:
    _starts.clear()


def _late(job: ClaimedJob, started_at: datetime) -> str:
    return measured((started_at - job.run_at).total_seconds())


def _end(ended: Ended) -> Line:
    job, outcome, took = ended.job, ended.outcome, measured(ended.took)
    match outcome:
        case Succeeded():
            return Line(logging.INFO, "%s #%d succeeded in %s", (job.task, job.id, took))
        case Retry(error, delay):
            what = "%s #%d failed in %s (%s: %s), attempt %d of %d; next in %s"
            return Line(logging.WARNING, what, (*_failure(job, error, took), pause(delay)))
        case Failed(error):
            what = "%s #%d failed in %s (%s: %s), attempt %d of %d; no more attempts"
            return Line(logging.ERROR, what, _failure(job, error, took), indented(error.traceback))
        case Cancelled(reason):
            return Line(logging.INFO, "%s #%d cancelled: %s", (job.task, job.id, line(reason)))
        case Snoozed(delay):
            return Line(logging.INFO, "%s #%d snoozed for %s", (job.task, job.id, pause(delay)))
        case Missed(reason):
            return Line(logging.WARNING, "%s #%d missed: %s", (job.task, job.id, line(reason)))


def _failure(job: ClaimedJob, error: Error, took: str) -> tuple[Any, ...]:
    return job.task, job.id, took, line(error.kind), line(error.message), error.attempt, job.max_attempts


def _lost(job: ClaimedJob, **_: Any) -> None:
    log.warning("%s #%d was taken from this worker; what it did here is not recorded", job.task, job.id)


def _put_off(job: ClaimedJob, error: BaseException, retry_in: float, **_: Any) -> None:
    why = line(message_of(error).strip())
    what = ("%s #%d waits, since it gets no session (%s); again in %s", job.task, job.id, why, pause(retry_in))
    if retry_in >= LONG_PAUSE:
        say_seldom(log.warning, *what)
    else:
        log.debug(*what)


def _success_refused(job: ClaimedJob, error: Exception, retry_in: float, **_: Any) -> None:
    what = "%s #%d has done its work, and the database refuses to record that (%s), so it is undone; again in %s"
    say_seldom(log.error, what, job.task, job.id, line(str(error).strip()), pause(retry_in))


def _callback_failed(job: ClaimedJob, error: BaseException, **_: Any) -> None:
    what = "%s #%d succeeded, and a callback after its commit failed"
    log.error(what, job.task, job.id, traceback=indented(traceback_of(error)))


def _backoff_failed(job: ClaimedJob, error: BaseException, **_: Any) -> None:
    what = '%s #%d: its backoff failed, so SCHEDULER["BACKOFF"] says when it is tried again'
    log.error(what, job.task, job.id, traceback=indented(traceback_of(error)))


def _reports_refused(jobs: Sequence[int], error: Exception, **_: Any) -> None:
    what = "the database takes no report of %s (%s); no job is affected"
    which = f"#{jobs[0]}" if len(jobs) == 1 else f"{len(jobs)} jobs"
    say_seldom(log.warning, what, which, line(str(error).strip()))


signals.job_lost.connect(_lost)
signals.job_put_off.connect(_put_off)
signals.success_refused.connect(_success_refused)
signals.callback_failed.connect(_callback_failed)
signals.backoff_failed.connect(_backoff_failed)
signals.reports_refused.connect(_reports_refused)
