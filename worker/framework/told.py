"""The framework's signals, from those of the queue: a Task has started, and a Task is over.

That one is tried again is neither. An end is told when it is recorded, by the worker that ran the Task. The sender is
the class of the backend. Django's own receivers make a log of it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.utils.module_loading import import_string

from worker import framework, signals, telling
from worker.current import runs
from worker.current.runs import Run
from worker.framework import results
from worker.framework.heard import is_heard
from worker.outcomes import Succeeded
from worker.results import decode
from worker.values import ClaimedJob, Ended

Hold = tuple[int, int]

_under_way: dict[Hold, tuple[Run, BaseException | None]] = {}
"""Attempts that have begun and are not recorded, with what they raised."""


def _started(job: ClaimedJob) -> None:
    run = runs.run()
    if run is None or results.Enqueued.read(job.task_options) is None:
        return
    _under_way[job.hold] = run, None
    if is_heard(framework.task_started):
        _tell(framework.task_started, results.of_run(run))


def _raised(job: ClaimedJob, error: BaseException) -> None:
    """Kept, for who is told of the end may ask for it."""
    if (known := _under_way.get(job.hold)) is not None:
        _under_way[job.hold] = known[0], error


def _ended(ended: Ended) -> None:
    known = _under_way.pop(ended.job.hold, None)
    success = ended.outcome if isinstance(ended.outcome, Succeeded) else None
    if known is None or (success is not None and not is_heard(framework.task_finished)):
        return
    run, error = known
    if (finish := ended.finish(run.worker)) is None:
        return
    result = results.of_end(finish, run.worker, None if finish.result is None else decode(finish.result))
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
    return _class_of(given["BACKEND"]) if given else framework.BaseTaskBackend


_class_of = lru_cache(import_string)


telling.watchers.append(telling.Watcher(_started, _raised, _ended))
signals.job_lost.connect(_forget)
signals.job_put_off.connect(_forget)
