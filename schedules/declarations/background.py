"""What code declares: @background and @scheduled. Declaring writes nothing to the database: calls and `sync` do.

It registers the task, so a worker finds it by name; a row in the database can call nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, update_wrapper
from inspect import unwrap
from operator import attrgetter
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from django.db import transaction

from schedules import changes
from schedules.models import Schedule, Source
from schedules.spec import (
    JOB,
    OPTIONS,
    InvalidSchedule,
    Spec,
    Start,
    call_name,
    flag,
    job_options,
    recurs,
    refuse_unknown,
    spec_of,
    start_of,
)
from worker import queue, tasks
from worker.arguments import Call, as_json, encode, encode_each
from worker.backoff import Backoff
from worker.messages.echo import echo
from worker.models import Job, JobState
from worker.options import options as project_options
from worker.parameters import Parameters
from worker.tasks import InvalidTask, Task
from worker.values import NewJob

P = ParamSpec("P")
R = TypeVar("R")

CALL_OPTIONS = ("schedule", *(name for name in OPTIONS if name != "run_at"), "key", "remove_existing_tasks")
"""What a call may say besides the task's own arguments."""


class Background(Generic[P, R]):
    """A task. Calling it puts a job, or a schedule when it repeats, into the database, in the caller's transaction.

    The call takes the task's own arguments and any of `CALL_OPTIONS`. Raises InvalidSchedule for an option that
    could not work, TypeError for arguments that do not fit the function or are not JSON.
    """

    def __init__(self, task: Task, options: Mapping[str, Any], parameters: Parameters | None = None) -> None:
        self.task = task
        self.options = dict(options)
        self.parameters = parameters or _parameters_of(task.function)
        self.shadowed = [name for name in self.parameters.names if name in CALL_OPTIONS]
        """Parameters of the function that bear the name of an option."""
        self.schedules: set[str] = set()
        """Names of the schedules that @scheduled declared with it."""
        update_wrapper(self, task.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Job | Schedule:
        options = {name: kwargs.pop(name) for name in CALL_OPTIONS if name in kwargs}
        for name in self.shadowed:
            if name in options:
                raise TypeError(
                    f'{self.task.name}: "{name}" is both an option and a parameter of the task. '
                    f"Say which: .using({name}=…).enqueue(…) for the option, .enqueue({name}=…) for the parameter."
                )
        bound = self.using(**options) if options else self
        return bound.enqueue(*args, **kwargs)

    def using(self, **options: Any) -> Background[P, R]:
        """The same task with other options, for the calls made through what this returns.

        schedule: seconds from now, a timedelta, or an aware datetime. repeat: seconds, a timedelta, or a period such
        as "1 month". cron, timezone: an expression and its IANA zone. repeat_until: an aware datetime. queue,
        priority, verbose_name, creator. key: what identifies the schedule instead of the arguments.
        remove_existing_tasks: cancel unstarted jobs of the same arguments first. And the policies.
        """
        refuse_unknown(options, CALL_OPTIONS, self.task.name)
        return Background(self.task, {**self.options, **options}, self.parameters)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job | Schedule:
        """What calling does, for arguments that bear the names of options."""
        self.parameters.require(args, kwargs)
        alias = project_options().DATABASE
        with transaction.atomic(using=alias) if self._replaces else _NO_TRANSACTION:
            if self._replaces:
                queue.cancel_equal(self.task.name, encode(args, kwargs), "replaced by a later call", alias)
            if self._repeats:
                return changes.declare(self._spec(args, kwargs), alias)
            job = self._job(encode(args, kwargs))
            return _enqueued(job, queue.enqueue(job, alias), alias)

    def enqueue_many(self, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> list[int]:
        """Enqueue one job for each `(args, kwargs)`: all of them, or none. Returns the ids of the jobs."""
        if self._repeats:
            raise InvalidSchedule(f"{self.task.name}: enqueue_many makes jobs, but this task repeats. Call it instead.")
        task, _, *alike = self._job(arguments="")
        arguments = encode_each([self._required(call) for call in calls])
        jobs = [NewJob._make((task, text, *alike)) for text in arguments]
        return queue.enqueue_many(jobs, project_options().DATABASE)

    def now(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it here, at once, and return its result. An atomic task runs in a transaction."""
        with transaction.atomic(using=project_options().DATABASE) if self.task.atomic else _NO_TRANSACTION:
            result: R = self.task.function(*args, **kwargs)
        return result

    def check_options(self) -> None:
        """Raises InvalidSchedule for defaults with which no call could work."""
        where = f"@background {self.task.name}"
        flag(f"{where}: remove_existing_tasks", self.options.get("remove_existing_tasks", False))
        self._start(where)
        job_options(self.task, self.options, where)
        if self._repeats:
            self._spec((), {})

    @property
    def _replaces(self) -> bool:
        """Whether a call cancels what equal calls have put into the queue."""
        return flag(f"{self.task.name}(…): remove_existing_tasks", self.options.get("remove_existing_tasks", False))

    @property
    def _repeats(self) -> bool:
        return recurs(self.options)

    def _spec(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Spec:
        where = f"{self.task.name}(…)"
        return spec_of(
            self.task,
            where=where,
            name=call_name(self.task.name, encode(args, kwargs), self.options.get("key")),
            source=Source.CALL,
            args=args,
            kwargs=kwargs,
            start=self._start(where),
            options={name: value for name, value in self.options.items() if name in OPTIONS},
        )

    def _job(self, arguments: str) -> NewJob:
        return NewJob(self.task.name, arguments, max_attempts=self.task.attempts_allowed, **self._of_every_job)

    @cached_property
    def _of_every_job(self) -> dict[str, Any]:
        """What the options say of the job of a call, whatever its arguments. Raises InvalidSchedule."""
        where = f"{self.task.name}(…)"
        if "repeat" not in self.options and "cron" not in self.options:
            _refuse_without_recurrence(self.options, where)
        start = self._start(where) or Start()
        return {
            "state": str(JobState.SCHEDULED if start.at or start.delay else JobState.READY),
            "run_at": start.at,
            "delay": start.delay,
            **job_options(self.task, self.options, where),
        }

    def _required(self, call: object) -> Call:
        if isinstance(call, (tuple, list)) and len(call) == 2:
            args, kwargs = call
            plain = as_json(args, kwargs)
            self.parameters.require(args, kwargs)
            return plain
        raise TypeError(f"{self.task.name}: enqueue_many takes pairs (args, kwargs), but was given {echo(call)}.")

    def _start(self, where: str) -> Start | None:
        given = self.options.get("schedule")
        if given is None:
            return None if self.options.get("cron") else Start()
        return start_of(given, where)


@overload
def background(function: Callable[P, R], /) -> Background[P, R]: ...
@overload
def background(
    name: str | None = None,
    schedule: Any = None,
    *,
    queue: str | None = None,
    priority: int | None = None,
    max_attempts: int | None = None,
    backoff: Backoff | None = None,
    atomic: bool = False,
    **options: Any,
) -> Callable[[Callable[P, R]], Background[P, R]]: ...
def background(name: Any = None, schedule: Any = None, **options: Any) -> Any:
    """Make a function a task: calling it then runs it in the background.

    name: of the task, if not its dotted path. schedule: seconds from the call until it runs, a timedelta or an aware
    datetime. queue, priority (-100 to 100, larger first), max_attempts, backoff (seconds before the second attempt,
    doubling, or a list of them). atomic: whether what it does in the queue's database, and that its job succeeded, are
    one transaction. Any option of `Background.using` is a default for its calls.
    Raises InvalidTask or InvalidSchedule, at import.
    """
    if callable(name):
        return _task(name, None, {})
    if schedule is not None:
        options["schedule"] = schedule
    return lambda function: _task(function, name, options)


class Scheduling(Protocol):
    """The decorator that @scheduled(…) makes."""

    @overload
    def __call__(self, function: Background[P, R], /) -> Background[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Background[P, R]: ...


def scheduled(
    *,
    name: str | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    enabled: bool = True,
    **options: Any,
) -> Scheduling:
    """Make a function a task that runs on a schedule, without any call: `cron=…`, `repeat=…` or `run_at=…`.

    name: of the schedule, if not the task's. args, kwargs: for each run. enabled: whether it begins unpaused.
    May stand above @background, and several times. Raises InvalidTask or InvalidSchedule, at import.
    """

    def declare(function: Any) -> Background[Any, Any]:
        given = dict(options)
        if isinstance(function, Background):
            task = function
        else:
            task = _task(function, None, {option: given[option] for option in _OF_TASK if option in given})
            given = {option: value for option, value in given.items() if option not in _ONLY_OF_TASK}
        _add(
            spec_of(
                task.task,
                where=f"@scheduled {task.task.name}",
                name=task.task.name if name is None else name,
                source=Source.CODE,
                declared_in=_place_of(task.task),
                args=args,
                kwargs=kwargs,
                enabled=enabled,
                options=given,
            ),
            task,
        )
        return task

    return declare


def in_code() -> list[Spec]:
    """The schedules that @scheduled has declared in this process."""
    return list(_declared.values())


def background_tasks() -> list[Background[Any, Any]]:
    """The tasks that were declared with @background or @scheduled in this process."""
    return list(_tasks.values())


_declared: dict[str, Spec] = {}
_tasks: dict[str, Background[Any, Any]] = {}


def _task(function: Callable[P, R], name: str | None, options: Mapping[str, Any]) -> Background[P, R]:
    path = tasks.path_of(function)
    refuse_unknown(options, (*_OF_TASK, *CALL_OPTIONS), f"@background {path}")
    of_task = {option: options[option] for option in _OF_TASK if options.get(option) is not None}
    task: Background[P, R] = Background(
        Task(function, path if name is None else name, **of_task),
        {option: value for option, value in options.items() if option not in _OF_TASK},
    )
    task.check_options()
    tasks.register(task.task)
    _tasks[task.task.name] = task
    return task


def _parameters_of(function: Callable[..., Any]) -> Parameters:
    try:
        return Parameters(function)
    except (TypeError, ValueError) as unknown:
        raise InvalidTask(f"{echo(function)} cannot be a task: nobody knows which arguments it takes.") from unknown


def _add(spec: Spec, task: Background[Any, Any]) -> None:
    """A module that is imported again brings another `task` and may declare anew; one task cannot say two things."""
    known = _declared.get(spec.name)
    changed = known != spec and spec.name in task.schedules
    if known is not None and (changed or known.declared_in != spec.declared_in):
        raise InvalidSchedule(
            f'The schedule "{spec.name}" is declared twice: in {known.declared_in} and in {spec.declared_in}. '
            "Give one of them another name=…."
        )
    task.schedules.add(spec.name)
    _declared[spec.name] = spec


def _place_of(task: Task) -> str:
    code = getattr(unwrap(task.function), "__code__", None)
    path = f"{task.function.__module__.replace('.', '/')}.py"
    return path if code is None else f"{path}:{code.co_firstlineno}"


def _refuse_without_recurrence(options: Mapping[str, Any], where: str) -> None:
    for option in options:
        if option not in _OF_A_JOB:
            raise InvalidSchedule(f"{where}: {option} is for schedules: give repeat or cron with it.")


def _enqueued(job: NewJob, id: int, alias: str) -> Job:
    """The job as a model instance, without reading it; what the database decided is fetched when it is asked for."""
    return Job.from_db(alias, _FIELDS, (id, *_known(job)))


_ONLY_OF_TASK = ("max_attempts", "backoff", "atomic")
_OF_TASK = ("queue", "priority", *_ONLY_OF_TASK)
_OF_A_JOB = (*JOB, "schedule", "remove_existing_tasks")
_KNOWN = [
    field.attname
    for field in Job._meta.concrete_fields
    if field.attname in NewJob._fields and field.attname != "run_at"  # which the database decides, where it was a delay
]
_known = attrgetter(*_KNOWN)
_FIELDS = frozenset(("id", *_KNOWN))
_NO_TRANSACTION: AbstractContextManager[None] = nullcontext()
