"""A job, in the queue, under way or in history, as a `TaskResult` of the framework."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from worker import framework, queue, tasks
from worker.arguments import decode
from worker.carry.stored import options_alone
from worker.current.runs import Run
from worker.framework import TaskResultStatus
from worker.framework.kinds import Task, unchecked
from worker.framework.of_background import BackgroundTask, declared_as
from worker.models import FinishedJob, FinishedState, Job, JobState, WorkerProcess
from worker.outcomes import ErrorLine, read_error
from worker.own_options import Same
from worker.values import ClaimedJob, Finish


class Enqueued(NamedTuple):
    """What a job keeps of the Task with which it was enqueued, in the column `task_options` beside its options."""

    backend: str
    """The alias in settings.TASKS."""
    run_after: str | float | None = None
    """As the Task said it: an instant, or seconds. A retry does not change that."""
    own: Mapping[str, Any] = {}
    """The options of our Tasks that this one said."""
    background: bool = False
    """Whether it is the Task of a function with @background."""

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value}

    @staticmethod
    def read(task_options: str | None) -> Enqueued | None:
        """None: the job was not enqueued with a Task of the framework."""
        return None if task_options is None or '"backend"' not in task_options else _enqueued_with(task_options)


@lru_cache(maxsize=1024)
def _enqueued_with(task_options: str) -> Enqueued | None:
    with suppress(ValueError, TypeError):
        told = json.loads(task_options)
        if "backend" in told:
            return Enqueued(**{name: told[name] for name in Enqueued._fields if name in told})
    return None


class _Story(NamedTuple):
    """What became of a job so far."""

    status: TaskResultStatus
    errors: Sequence[ErrorLine]
    last: tuple[datetime, str] | None
    """When the latest attempt began, and in which worker, where it left no error."""
    attempts: int
    finished_at: datetime | None = None
    end: framework.TaskError | None = None
    """Why it has ended, where no attempt has failed with that."""
    value: Any = None


_Call = tuple[list[Any], dict[str, Any]]
_UNTOLD = _Story(TaskResultStatus.READY, (), None, 0)


def of_new(task: framework.AnyTask, backend: str, id: int, enqueued_at: datetime, call: _Call) -> framework.AnyResult:
    """Of a job that the backend of that alias has enqueued with the Task just now."""
    return _built(task, backend, id, enqueued_at, call, _UNTOLD)


def of_row(row: Job | FinishedJob) -> framework.AnyResult:
    """Of a job that was enqueued with a Task. Raises InvalidArguments for a value that somebody else has written."""
    if isinstance(row, Job):
        return _result(row.pk, row, _live(row))
    return _result(row.pk, row, _ended(row, row.error_list, row.worker, row.result))


def of_run(run: Run) -> framework.AnyResult:
    """Of an attempt, while it is under way."""
    return _result(run.job.id, run.job, _under_way(run))


def of_end(finish: Finish, worker: str, value: Any) -> framework.AnyResult:
    """Of a job that goes into history so."""
    lines = [read_error(line, finish.finished_at) for line in finish.errors.splitlines()]
    return _result(finish.job.id, finish.job, _ended(finish, lines, worker, value))


def task_of(row: Job | FinishedJob | ClaimedJob) -> framework.AnyTask:
    """The Task with which the job was enqueued. Where nothing here has its name any more, its function raises."""
    known = tasks.find(row.task)
    return _enqueued(Same(known) if known else row.task, options_alone(row.task_options), row.queue, row.priority)


@lru_cache(maxsize=1024)
def _enqueued(known: Same | str, task_options: str | None, queue: str, priority: int) -> framework.AnyTask:
    """Of a task that is known, or of one that has a name alone."""
    said = Enqueued.read(task_options) or Enqueued("")
    kind, declared = _declared(known, of_background=said.background)
    enqueued = {"backend": said.backend, "queue_name": queue, "priority": priority, **said.own}
    return unchecked(kind, **{**declared, **enqueued, "run_after": _run_after(said.run_after)})  # type: ignore[no-any-return]


def _declared(known: Same | str, *, of_background: bool) -> tuple[type[framework.AnyTask], dict[str, Any]]:
    if not isinstance(known, Same):
        return (BackgroundTask if of_background else Task), {"func": _Gone(known), "known_as": known}
    if of_background:
        return BackgroundTask, declared_as(known.task)
    declared = getattr(known.task.function, "declared_as", None)
    if declared is None:
        return Task, {"func": known.task.function}
    return type(declared), {field.name: getattr(declared, field.name) for field in fields(declared)}


def _result(id: int, row: Job | FinishedJob | ClaimedJob, story: _Story) -> framework.AnyResult:
    call, task = decode(row.arguments), task_of(row)
    return _built(task, task.backend, id, row.enqueued_at, call, story)


def _built(
    task: framework.AnyTask, backend: str, id: int, enqueued_at: datetime, call: _Call, story: _Story
) -> framework.AnyResult:
    failures = [_failure(line) for line in story.errors]
    began = [at for line in story.errors if (at := _began(line))]
    workers = [line.get("worker", "") for line in story.errors]
    if story.last is not None:
        began.append(story.last[0])
        workers.append(story.last[1])
    workers[1:1] = [""] * (story.attempts - len(workers))  # a long list of errors has lost some
    result: framework.AnyResult = framework.TaskResult(
        task=task,
        id=str(id),
        status=story.status,
        enqueued_at=enqueued_at,
        started_at=began[0] if began else None,
        last_attempted_at=began[-1] if began else None,
        finished_at=story.finished_at,
        args=call[0],
        kwargs=call[1],
        backend=backend,
        errors=[*failures, story.end] if story.end else failures,
        worker_ids=workers,
    )
    object.__setattr__(result, "_return_value", story.value)
    return result


def _live(job: Job) -> _Story:
    lines = job.error_list[:-1] if queue.has_ended(job.errors) else job.error_list
    if job.state != JobState.RUNNING or job.claimed_at is None:
        return _Story(TaskResultStatus.READY, lines, None, job.attempts)
    name = (
        WorkerProcess.objects.using(job._state.db).filter(pk=job.worker_id or 0).values_list("name", flat=True).first()
    )
    return _Story(TaskResultStatus.RUNNING, lines, (job.claimed_at, name or ""), job.attempts + 1)


def _under_way(run: Run) -> _Story:
    lines = [read_error(line, run.job.enqueued_at) for line in run.job.errors.splitlines()]
    return _Story(TaskResultStatus.RUNNING, lines, (run.started_at, run.worker), run.job.attempts + 1)


def _ended(end: FinishedJob | Finish, lines: Sequence[ErrorLine], worker: str, value: Any) -> _Story:
    """Of the framework's states two are ends. What was cancelled, or missed, has failed by an exception of ours."""
    is_success = end.state == FinishedState.SUCCEEDED
    has_left_an_error = bool(lines) and lines[-1]["attempt"] == end.attempts
    last = None if has_left_an_error or end.started_at is None else (end.started_at, worker)
    return _Story(
        TaskResultStatus.SUCCESSFUL if is_success else TaskResultStatus.FAILED,
        lines,
        last,
        end.attempts,
        end.finished_at,
        None
        if is_success or has_left_an_error
        else framework.TaskError(
            exception_class_path=_ENDS.get(end.state, "worker.api.WorkersDied"), traceback=end.reason
        ),
        value if is_success else None,
    )


def _failure(line: ErrorLine) -> framework.TaskError:
    path = line.get("exception") or "builtins.Exception"
    return framework.TaskError(exception_class_path=path, traceback=line["traceback"] or line["message"])


def _began(line: ErrorLine) -> datetime | None:
    with suppress(ValueError, LookupError):
        return datetime.fromisoformat(line["started_at"])
    return None


def _run_after(said: str | float | None) -> datetime | timedelta | None:
    return datetime.fromisoformat(said) if isinstance(said, str) else None if said is None else timedelta(seconds=said)


class _Gone:
    """Stands for a function that this process does not have."""

    def __init__(self, name: str) -> None:
        self.__module__, _, self.__qualname__ = name.rpartition(".")
        self.__name__ = self.__qualname__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise tasks.UnknownTask(f"{self.__module__}.{self.__qualname__}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Gone) and (self.__module__, self.__name__) == (other.__module__, other.__name__)

    def __hash__(self) -> int:
        return hash((self.__module__, self.__name__))


_ENDS = {FinishedState.CANCELLED.value: "worker.Cancel", FinishedState.MISSED.value: "worker.api.DeadlineMissed"}
