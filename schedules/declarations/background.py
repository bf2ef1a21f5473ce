"""@background: functions that become tasks. Declaring writes nothing to the database: calls and `sync` do.

It registers the task, so a worker finds it by name; a row in the database can call nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta, tzinfo
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack, overload

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import Model

from schedules import changes
from schedules.declarations.call_names import call_name, shown_name
from schedules.declarations.of_framework import task_of
from schedules.declarations.option_types import CallOptions, Days, Interval, Length, NoInterval, Start, TaskOptions
from schedules.models import Schedule, Source
from schedules.recurrence import GapRule, OverlapRule
from schedules.spec import OPTIONS, InvalidSchedule, Spec, spec_of
from worker import tasks
from worker.arguments import encode
from worker.calls import CALL, Calls, Explained, InvalidCall, replaces, replacing
from worker.carry.capturing import captured
from worker.current import under_way
from worker.current.runs import DirectCall
from worker.messages.echo import echo
from worker.messages.nearest import unknown_options
from worker.models import Job
from worker.options import options as project_options
from worker.parameters import Parameters
from worker.registry import Registry
from worker.tasks import ERROR_CLASSES, KEEP, RUN_OPTIONS, InvalidTask, Task

if TYPE_CHECKING:
    from worker import framework

P = ParamSpec("P")
R = TypeVar("R")
Made = TypeVar("Made", bound=Job | Schedule, covariant=True)
"""What a call makes."""

CALL_OPTIONS = (
    "schedule",
    *(name for name in OPTIONS if name not in ("run_at", *RUN_OPTIONS)),
    *("key", "remove_existing_tasks"),
)
"""What a call may say besides the task's own arguments."""
ONLY_OF_TASK = (*RUN_OPTIONS, *ERROR_CLASSES, KEEP, "formerly")
OF_TASK = ("queue", "priority", *ONLY_OF_TASK)
"""What a decorator may say of the task itself."""


class Background(Generic[P, R, Made]):
    """A task. Calling it puts a job, or a schedule when it repeats, into the database, in the caller's transaction.

    The call takes the task's own arguments and any of `CALL_OPTIONS`. Raises InvalidCall for an option that could not
    work, or InvalidSchedule where the call repeats; TypeError for arguments that do not fit the function or are not
    JSON.
    """

    def __init__(self, task: Task, options: Mapping[str, Any], parameters: Parameters | None = None) -> None:
        self.task = task
        self.options = dict(options)
        self.parameters = parameters or _parameters_of(task)
        self.shadowed = [name for name in self.parameters.names if name in CALL_OPTIONS]
        """Parameters of the function that bear the name of an option."""
        _look_like(self, task.function)

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Made: ...
    @overload
    def __call__(self, *args: Any, cron: str, **rest: Any) -> Schedule: ...
    @overload
    def __call__(self, *args: Any, repeat: NoInterval, **rest: Any) -> Job | Schedule: ...
    @overload
    def __call__(self, *args: Any, repeat: Interval, **rest: Any) -> Schedule: ...
    @overload
    def __call__(self, *args: Any, schedule: Start, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, queue: str | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, priority: int | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, verbose_name: str | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, creator: str | Model | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, key: str | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, remove_existing_tasks: bool, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, first_run: datetime | str | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, timezone: str | tzinfo | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, dst_gap: GapRule, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, dst_overlap: OverlapRule, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, starts_at: datetime | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, repeat_until: datetime | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, max_runs: int | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, exclude: Days, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, catch_up: str | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, catch_up_window: Length, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, max_catch_up: int | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, late_after: Length, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, start_deadline: Length, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, overlap: str | None, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, jitter: Length, **rest: Any) -> Made: ...
    @overload
    def __call__(self, *args: Any, retry_past_next: bool | None, **rest: Any) -> Made: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Job | Schedule:
        options = {name: kwargs.pop(name) for name in CALL_OPTIONS if name in kwargs} if kwargs else {}
        for name in self.shadowed:
            if name in options:
                raise TypeError(
                    f'{self.task.name}: "{name}" is both an option and a parameter of the task. '
                    f"Say which: .using({name}=…).enqueue(…) for the option, .enqueue({name}=…) for the parameter."
                )
        bound = self.using(**options) if options else self
        return bound.enqueue(*args, **kwargs)

    @overload
    def using(
        self, *, cron: str, repeat: NoInterval = None, schedule: Start = None, **options: Unpack[CallOptions]
    ) -> Background[P, R, Schedule]: ...
    @overload
    def using(  # type: ignore[overload-overlap]  # 0 is no interval, and a whole number all the same
        self, *, repeat: NoInterval, schedule: Start = None, **options: Unpack[CallOptions]
    ) -> Background[P, R, Job | Schedule]: ...
    @overload
    def using(
        self, *, repeat: Interval, schedule: Start = None, **options: Unpack[CallOptions]
    ) -> Background[P, R, Schedule]: ...
    @overload
    def using(self, *, schedule: Start = None, **options: Unpack[CallOptions]) -> Background[P, R, Made]: ...
    def using(self, **options: Any) -> Background[P, R, Any]:
        """The same task with other options, for the calls made through what this returns.

        schedule: seconds from now, a timedelta, or an aware datetime. repeat: seconds, a timedelta, or text such as
        "5 minutes". first_run: where that counts from, an aware datetime or what the clock of its zone shows. cron,
        timezone: an expression and its IANA zone. repeat_until: an aware datetime. queue, priority, verbose_name,
        creator. key: what identifies the schedule instead of the arguments. remove_existing_tasks: cancel unstarted
        jobs of the same arguments first. And the policies.
        """
        bound: Background[P, R, Any] = Background(self.task, {**self.options, **options}, self.parameters)
        for fault in unknown_options(options, CALL_OPTIONS, self.task.name):
            raise InvalidSchedule(fault) if bound._repeats else InvalidCall(fault)
        return bound

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Made:
        """What calling does, for arguments that bear the names of options."""
        made: Any = self._schedule(args, kwargs) if self._repeats else self._calls.enqueue(args, kwargs)
        return made  # type: ignore[no-any-return]  # which of both, the options say

    def enqueue_many(self, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> list[int]:
        """Enqueue one job for each `(args, kwargs)`: all of them, or none. Returns the ids of the jobs."""
        if self._repeats:
            raise InvalidSchedule(f"{self.task.name}: enqueue_many makes jobs, but this task repeats. Call it instead.")
        return self._calls.enqueue_many(calls)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Made:
        """The same as `enqueue`, in async code: in the thread and the transaction of Django's synchronous work."""
        return await sync_to_async(self.enqueue)(*args, **kwargs)

    async def aenqueue_many(self, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> list[int]:
        """The same as `enqueue_many`, in async code."""
        return await sync_to_async(self.enqueue_many)(calls)

    def as_task(self, backend: str | None = None) -> framework.Task[P, R]:
        """This task as one of Django's framework: `.as_task().enqueue(…)` gives a `TaskResult`.

        It has the options that the task has here. backend: an alias in settings.TASKS; None: the first one whose
        backend is ours, or else "default". Raises InvalidCall, or InvalidSchedule where the task repeats, since a Task
        is one job; the framework's InvalidTask for what its backend does not take, such as a queue; and
        ImproperlyConfigured where there is no framework, or TASKS is not set.
        """
        if self._repeats:
            given = "cron=None" if self.options.get("cron") else "repeat=NEVER"
            raise InvalidSchedule(
                f"{self.task.name}: as_task makes a Task, which is one job, but this task repeats. Write "
                f"using({given}).as_task()."
            )
        self._require_no_option_of_schedules()
        return task_of(self.task, self._of_a_job, backend)

    def now(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it here, at once, and return its result. An atomic task runs in a transaction."""
        before = under_way.set(DirectCall(self.task))
        try:
            with transaction.atomic(using=project_options().DATABASE) if self.task.atomic else _NO_TRANSACTION:
                result: R = self.task.function(*args, **kwargs)
            return result
        finally:
            under_way.reset(before)

    def check_options(self) -> None:
        """Raises InvalidCall, or InvalidSchedule where it repeats, for defaults with which no call could work."""
        where = f"@background {self.task.name}"
        self._spec((), {}, where) if self._repeats else self._calls_from(where)

    @property
    def _repeats(self) -> bool:
        """Whether the options name a recurrence, be it one that could not work."""
        return self.options.get("cron") not in (None, "") or self.options.get("repeat") not in (None, *_NEVER)

    @cached_property
    def _calls(self) -> Calls:
        self._require_no_option_of_schedules()
        return self._calls_from(f"{self.task.name}(…)")

    def _calls_from(self, where: str) -> Calls:
        return Calls(self.task, self.parameters, self._of_a_job, where)

    @property
    def _of_a_job(self) -> dict[str, Any]:
        """The options of a call that makes a job."""
        return {name: value for name, value in self.options.items() if name in CALL}

    def _require_no_option_of_schedules(self) -> None:
        if "repeat" not in self.options and "cron" not in self.options:
            for option in self.options:
                if option not in CALL:
                    raise InvalidCall(f"{self.task.name}(…): {option} is for schedules: give repeat or cron with it.")

    def _schedule(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Schedule:
        self.parameters.require(args, kwargs)
        where = f"{self.task.name}(…)"
        spec = self._spec(args, kwargs, where, captured(where))
        alias = project_options().DATABASE
        with (
            Explained(where, alias, "await ….aenqueue(…)"),
            replacing(spec.task, spec.arguments, self.parameters, alias) if replaces(self.options) else _NO_TRANSACTION,
        ):
            (row,) = changes.all_in_line([changes.Wanted(spec)], alias)
            return row

    def _spec(self, args: Sequence[Any], kwargs: Mapping[str, Any], where: str, carried: str | None = None) -> Spec:
        begins = self.options.get("schedule")
        if begins is None and not self.options.get("cron") and self.options.get("first_run") in (None, ""):
            begins = 0
        try:
            replaces(self.options)
        except InvalidCall as fault:
            raise InvalidSchedule(f"{where}: {fault}") from fault
        arguments, key = self.parameters.meaning(encode(args, kwargs, where)), self.options.get("key")
        call = call_name(self.task.name, arguments, key)
        return spec_of(
            self.task,
            where=where,
            name=shown_name(call, self.task.name, arguments) if key is None else call,
            call=call,
            source=Source.CALL,
            args=args,
            kwargs=kwargs,
            schedule=begins,
            carried=carried,
            options={name: value for name, value in self.options.items() if name in OPTIONS},
        )


@overload
def background(function: Callable[P, R], /) -> Background[P, R, Job]: ...
@overload
def background(
    name: str | None = None, schedule: Start = None, *, cron: str, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], Background[P, R, Schedule]]: ...
@overload
def background(  # type: ignore[overload-overlap]  # 0 is no interval, and a whole number all the same
    name: str | None = None, schedule: Start = None, *, repeat: NoInterval = None, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], Background[P, R, Job]]: ...
@overload
def background(
    name: str | None = None, schedule: Start = None, *, repeat: Interval, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], Background[P, R, Schedule]]: ...
def background(name: Any = None, schedule: Any = None, **options: Any) -> Any:
    """Make a function a task: calling it then runs it in the background.

    name: of the task, if not its dotted path. schedule: seconds from the call until it runs, a timedelta or an aware
    datetime. queue, priority (-100 to 100, larger first), max_attempts, backoff (seconds before the second attempt,
    doubling, or a list of them, or a function that is given the error and the job and says the seconds, or None to give
    up). retry_on, give_up_on: classes of exceptions, or dotted paths. atomic: whether what it does in the queue's
    database, and that its job succeeded, are one transaction. fresh_connection: whether each run has database
    connections of its own. may_fail: whether a job that fails for good is no problem to `list_schedule --check` and the
    doctor. keep_result: whether history keeps what it returns, which must be JSON then. log: whether what it logs is
    kept with its jobs. keep: how long the record of a finished job stays, a timedelta, or None for not at all, or a
    dictionary of these by outcome. formerly: names that the task had before, under which jobs may still wait.
    Any option of `Background.using` is a default for its calls.
    Raises InvalidTask, InvalidCall or InvalidSchedule, at import.
    """
    if callable(name):
        return declare_task(name, None, {})
    if schedule is not None:
        options["schedule"] = schedule
    return lambda function: declare_task(function, name, options)


def background_tasks() -> list[Background[Any, Any, Any]]:
    """The tasks that were declared with @background or @scheduled in this process."""
    return list(_REGISTRY.entries())


def declare_task(function: Callable[P, R], name: str | None, options: Mapping[str, Any]) -> Background[P, R, Any]:
    """The function as a task that is known in this process. What @background does; @scheduled begins with it."""
    path = tasks.path_of(function)
    for fault in unknown_options(options, (*OF_TASK, *CALL_OPTIONS), f"@background {path}"):
        raise InvalidTask(fault)
    said = {option: options[option] for option in OF_TASK if option in options}
    of_task = {option: value for option, value in said.items() if value is not None or option == KEEP}
    task: Background[P, R, Any] = Background(
        Task(function, path if name is None else name, **of_task),
        {option: value for option, value in options.items() if option not in OF_TASK},
    )
    task.check_options()
    tasks.register(task.task)
    _REGISTRY.put(task.task.name, task)
    return task


def _parameters_of(task: Task) -> Parameters:
    try:
        return Parameters(task.function, f"{task.name}(…)", CALL_OPTIONS)
    except (TypeError, ValueError) as unknown:
        raise InvalidTask(
            f"{echo(task.function)} cannot be a task: Python cannot tell which arguments it takes."
        ) from unknown


def _look_like(task: Background[Any, Any, Any], function: Callable[..., Any]) -> None:
    """Take over its name, its words and its attributes, but for those that would stand in place of the task's own."""
    for name, value in getattr(function, "__dict__", {}).items():
        if name not in vars(task) and not hasattr(Background, name):
            setattr(task, name, value)
    update_wrapper(task, function, updated=())


_NEVER = (0, timedelta(0), "", "0")
_NO_TRANSACTION: AbstractContextManager[None] = nullcontext()
_REGISTRY: Registry[Background[Any, Any, Any]] = Registry()
