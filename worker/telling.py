"""Each job passes here twice: its start and its end are told to the log, and to those who receive the signals.

It costs next to nothing where nobody listens, and whoever does cannot stop it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from worker.events import say_unheard
from worker.log import jobs
from worker.signals import job_ended, job_started
from worker.values import ClaimedJob, Ended


class Watcher(NamedTuple):
    """Who wants to know of jobs with options of their own. All others pass it by: a signal would cost each of them."""

    started: Callable[[ClaimedJob], None]
    raised: Callable[[ClaimedJob, BaseException], None]
    """In the thread of the run, with what its task raised, or what forbids to keep its result."""
    ended: Callable[[Ended], None]


watchers: list[Watcher] = []


def tell_started(job: ClaimedJob, started_at: datetime) -> None:
    """In the thread that runs the job, before it does. Never raises."""
    jobs.started(job, started_at)
    if job_started.receivers:
        job_started.send_robust(None, job=job, late=(started_at - job.run_at).total_seconds())
    if job.task_options is not None:
        for watcher in watchers:
            _safely(watcher.started, job)


def tell_raised(job: ClaimedJob, error: BaseException) -> None:
    """Where the job has options of its own. Never raises."""
    for watcher in watchers:
        _safely(watcher.raised, job, error)


def tell_ended(ended: Sequence[Ended]) -> None:
    """Of jobs whose outcomes were recorded, in this order. Never raises."""
    jobs.ended(ended)
    if job_ended.receivers:
        for each in ended:
            job_ended.send_robust(None, job=each.job, outcome=each.outcome, took=each.took)
    for watcher in watchers:
        for each in ended:
            if each.job.task_options is not None:
                _safely(watcher.ended, each)


def _safely(tell: Callable[..., None], *what: Any) -> None:
    try:
        tell(*what)
    except BaseException as error:  # noqa: BLE001  who tells of a job is no part of it
        say_unheard(error)
