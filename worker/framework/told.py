"""The framework's signals, from those of the queue: a Task has started, and a Task is over.

That one is tried again is neither. An end is told when it is recorded, by the worker that ran the Task. The sender is
the class of the backend. Django's own receivers make a log of it.
"""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string

from worker import context, framework, signals, telling
from worker.context import Run
from worker.framework import results
from worker.outcomes import Succeeded
from worker.values import ClaimedJob, Ended

Hold = tuple[int, int]

_under_way: dict[Hold, tuple[Run, BaseException | None]] = {}
"""Attempts that have begun and are not recorded, with what they raised."""


def remember(error: BaseException) -> None:
    """That the attempt which runs here has failed with that: whoever is told of its end may ask for it."""
    if (run := context.run()) is not None and run.job.hold in _under_way:
        _under_way[run.job.hold] = run, error


def _started(job: ClaimedJob) -> None:
    run = context.run()
    if run is None or results.Enqueued.read(job.task_options) is None:
        return
    _under_way[job.hold] = run, None
    _tell(framework.task_started, results.of_run(run))


def _ended(ended: Ended) -> None:
    known = _under_way.pop(ended.job.hold, None)
    if known is None or (finish := ended.finish(known[0].worker)) is None:
        return
    run, error = known
    success = ended.outcome if isinstance(ended.outcome, Succeeded) else None
    result = results.of_end(finish, run.worker, success and success.result)
    if error is None or success is not None:
        _tell(framework.task_finished, result)
        return
    try:
        raise error  # noqa: TRY301
    except BaseException:  # noqa: BLE001  Django's receiver logs what is being handled
        _tell(framework.task_finished, result)


def _forget(job: ClaimedJob, **_: Any) -> None:
    _under_way.pop(job.hold, None)


def _tell(signal: Any, result: framework.AnyResult) -> None:
    signal.send_robust(_backend(result.backend), task_result=result)


def _backend(alias: str) -> Any:
    """The class of that backend. To ask for the backend itself would make one in the context of each job."""
    given = framework.task_backends.settings.get(alias)
    return import_string(given["BACKEND"]) if given else framework.BaseTaskBackend


telling.watchers.append(telling.Watcher(_started, _ended))
signals.job_lost.connect(_forget)
