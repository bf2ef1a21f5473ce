"""The backend of Django's Tasks framework: `TASKS = {"default": {"BACKEND": "worker.backends.DatabaseBackend"}}`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.checks import CheckMessage, Error
from django.utils import timezone

from worker import error_classes, framework, keeping, queue, tasks
from worker.arguments import encode
from worker.calls import Explained, InvalidCall, Start, start_of
from worker.carry.capturing import captured
from worker.carry.stored import with_carried
from worker.codec import sealed
from worker.framework import declared, of_background, results
from worker.framework.beside import is_of_package, with_both_names
from worker.framework.decorator import task
from worker.framework.kinds import OWN, Task, unchecked
from worker.framework.of_background import BackgroundTask, own_options
from worker.handles.by_id import find
from worker.messages.nearest import unknown_options
from worker.models import FinishedJob, Job, JobState
from worker.options import options
from worker.own_options import run_options
from worker.tasks import KEEP, InvalidTask
from worker.values import NewJob

__all__ = ["DatabaseBackend", "task"]


class DatabaseBackend(framework.BaseTaskBackend):
    """Puts Tasks into the queue, in the caller's transaction; `process_tasks` runs them, beside all other jobs.

    OPTIONS: `max_attempts` (1), `backoff`, `retry_on`, `give_up_on`, `atomic`, `fresh_connection`, `may_fail`,
    `log` and `keep`, for Tasks that do not say it.

    https://docs.djangoproject.com/en/stable/ref/tasks/
    """

    task_class = Task
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, {**params, "QUEUES": []})
        self.queues = set(filter(_is_a_queue, _queues(params)))
        self._params = params

    @with_both_names
    def validate_task(self, task: framework.AnyTask) -> None:
        """Also makes the Task known to the workers of this process. Raises the framework's InvalidTask."""
        super().validate_task(_as_the_framework_examines(task))
        if fault := tasks.queue_problem(task.queue_name):
            raise framework.InvalidTask(fault)
        try:
            _start(task)
            declared.register(task)
            self._stored(task, own_options(task))
        except (InvalidCall, InvalidTask) as error:
            raise framework.InvalidTask(str(error)) from error

    def enqueue(self, task: framework.AnyTask, args: Sequence[Any], kwargs: Mapping[str, Any]) -> framework.AnyResult:
        """Raises InvalidTask, or TypeError for arguments that are not JSON or would come back as something else."""
        self.validate_task(task)
        where, using = f"{task.module_path}.enqueue(…)", options().DATABASE
        plain: Any = framework.normalize_json([list(args), dict(kwargs)])
        of_background.require(task, *plain)
        job = self._job(task, sealed(encode(plain[0], plain[1], where)), where)
        with Explained(where, using, "await ….aenqueue(…)"), of_background.replacing(task, job, using):
            id, enqueued_at = queue.enqueue(job, using)
        result = results.of_new(task, self.alias, id, enqueued_at, plain)
        framework.task_enqueued.send(type(self), task_result=result)
        return result

    @with_both_names
    def get_result(self, result_id: str) -> framework.AnyResult:
        """Raises TaskResultDoesNotExist for what no job enqueued with a Task has as its id."""
        row = _find(result_id)
        if row is None or results.Enqueued.read(row.task_options) is None:
            raise framework.TaskResultDoesNotExist(result_id)
        if not tasks.is_registered(row.task):
            declared.discover(row.task)
        return results.of_row(row)

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        if is_of_package(self):  # Django's own has said it
            return []
        return [Error(f'TASKS["{self.alias}"]: {fault}', id="worker.E006") for fault in self._faults()]

    def _faults(self) -> Iterator[str]:
        yield from filter(None, map(tasks.queue_problem, _queues(self._params)))
        yield from unknown_options(self.options, OWN, "OPTIONS")
        try:
            _stored({name: value for name, value in self.options.items() if name in OWN})
        except InvalidTask as fault:
            yield f"OPTIONS: {fault}"

    def _job(self, task: framework.AnyTask, arguments: str, where: str) -> NewJob:
        own, start = own_options(task), _start(task)
        max_attempts, stored = self._stored(task, own)
        said = results.Enqueued(self.alias, _as_json(task.run_after), own, isinstance(task, BackgroundTask))
        told = {**stored, "keep_result": True, **said.as_dict()}
        return NewJob(
            task.known_as if isinstance(task, BackgroundTask) else task.module_path,
            arguments,
            queue=task.queue_name,
            priority=int(task.priority),
            max_attempts=max_attempts,
            state=JobState.SCHEDULED if start.at or start.delay else JobState.READY,
            verbose_name=getattr(task, "verbose_name", ""),
            creator=getattr(task, "creator", ""),
            task_options=with_carried(json.dumps(told, sort_keys=True), captured(where)),
            run_at=start.at,
            delay=start.delay,
        )

    def _stored(self, task: framework.AnyTask, own: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """What a row keeps of the options that it has."""
        if isinstance(task, BackgroundTask):
            _keep({KEEP: task.keep})
            return _stored(own, tasks.get(task.known_as))
        return _stored({**_OPTIONS, **self._defaults_for(task), **own})

    def _defaults_for(self, task: framework.AnyTask) -> dict[str, Any]:
        """OPTIONS, without what the Task says itself in a way that no row can keep."""
        return {name: value for name, value in self.options.items() if not callable(getattr(task, name, None))}


def _find(result_id: object) -> Job | FinishedJob | None:
    if not (isinstance(result_id, str) and _ID.fullmatch(result_id)):
        return None
    using = options().DATABASE
    with Explained("get_result(…)", using, "await ….aget_result(…)"):
        return find(int(result_id), using)


def _queues(params: Mapping[str, Any]) -> Sequence[Any]:
    given = params.get("QUEUES", [tasks.DEFAULT_QUEUE])
    return list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]


def _is_a_queue(name: object) -> bool:
    return tasks.queue_problem(name) is None


def _stored(said: Mapping[str, Any], task: tasks.Task | None = None) -> tuple[int, dict[str, Any]]:
    """How often it is tried, and the other options as a row keeps them. Raises worker.api.InvalidTask."""
    stored = run_options(task or _ANY, said)
    classes = {name: said[name] for name in tasks.ERROR_CLASSES if said.get(name) is not None}
    for name, value in classes.items():
        if fault := error_classes.problem(name, value):
            raise InvalidTask(fault)
    kept = {name: error_classes.paths(value) for name, value in classes.items()}
    return stored["max_attempts"], {**json.loads(stored["task_options"] or "{}"), **kept, **_keep(said)}


def _keep(said: Mapping[str, Any]) -> dict[str, Any]:
    """The option `keep` as a row has it. Its result is the promise of a Task, so a record of it has to stay."""
    if KEEP not in said:
        return {}
    if fault := keeping.problem(said[KEEP]) or keeping.problem_of_task(keeping.read(said[KEEP])):
        raise InvalidTask(fault)
    return {KEEP: keeping.read(said[KEEP])}


def _start(task: framework.AnyTask) -> Start:
    at = task.run_after
    if isinstance(at, datetime) and timezone.is_naive(at):  # the framework allows it where USE_TZ is False
        at = timezone.make_aware(at)
    return Start() if at is None else start_of(at)


def _as_json(run_after: Any) -> str | float | None:
    return run_after.total_seconds() if isinstance(run_after, timedelta) else run_after and run_after.isoformat()


def _as_the_framework_examines(task: framework.AnyTask) -> Any:
    """Without a delay, of which it does not know; and without a function that @background has examined."""
    is_delay, is_of_background = isinstance(task.run_after, timedelta), isinstance(task, BackgroundTask)
    if not (is_delay or is_of_background):
        return task
    given = {name: getattr(task, name) for name in ("priority", "backend", "queue_name", "takes_context")}
    func, run_after = _nothing if is_of_background else task.func, None if is_delay else task.run_after
    return unchecked(framework.Task, **given, func=func, run_after=run_after)


def _nothing() -> None: ...


_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_OPTIONS = {"max_attempts": 1}
"""A Task says nothing of being tried again, so it is not, unless somebody says so."""
_ANY = tasks.Task(_nothing, "task")
"""Options are checked against those of some task."""
