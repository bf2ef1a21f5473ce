"""@scheduled: declare schedules beside their tasks. It keeps all that this process has declared in this way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import unwrap
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from schedules.declarations.background import OF_TASK, ONLY_OF_TASK, Background, declare_task
from schedules.models import Schedule, Source
from schedules.spec import InvalidSchedule, Spec, spec_of
from worker.models import Job
from worker.registry import Registry
from worker.tasks import Task

P = ParamSpec("P")
R = TypeVar("R")
Made = TypeVar("Made", bound=Job | Schedule)


class Scheduling(Protocol):
    """The decorator that @scheduled(…) makes."""

    @overload  # a task may be called as a function is
    def __call__(  # type: ignore[overload-overlap]
        self, function: Background[P, R, Made], /
    ) -> Background[P, R, Made]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Background[P, R, Job]: ...


def scheduled(
    *,
    name: str | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    enabled: bool = True,
    renamed_from: str | Sequence[str] = (),
    **options: Any,
) -> Scheduling:
    """Make a function a task that runs on a schedule, without any call: `cron=…`, `repeat=…` or `run_at=…`.

    name: of the schedule, if not the task's. args, kwargs: for each run. enabled: False pauses it.
    renamed_from: the name that the schedule had before, or a list of such names: it goes on as the same one.
    May stand above @background, and several times. Raises InvalidTask or InvalidSchedule, at import.
    """

    def declare(function: Any) -> Background[Any, Any, Any]:
        given = dict(options)
        if isinstance(function, Background):
            task = function
        else:
            task = declare_task(function, None, {option: given[option] for option in OF_TASK if option in given})
            given = {option: value for option, value in given.items() if option not in ONLY_OF_TASK}
        spec = spec_of(
            task.task,
            where=f"@scheduled {task.task.name}",
            name=task.task.name if name is None else name,
            source=Source.CODE,
            declared_in=_place_of(task.task),
            args=args,
            kwargs=kwargs,
            enabled=enabled,
            renamed_from=renamed_from,
            options=given,
        )
        _add(spec, task.task)
        return task

    return declare


def in_code() -> list[Spec]:
    """The schedules that @scheduled has declared in this process."""
    return [spec for spec, _ in _REGISTRY.entries()]


def _add(spec: Spec, task: Task) -> None:
    """A module that is imported again brings another `task` and may declare anew; one task cannot say two things."""
    known, by = _REGISTRY.get(spec.name) or (spec, task)
    if known.declared_in != spec.declared_in or (by is task and known != spec):
        raise InvalidSchedule(
            f'The schedule "{spec.name}" is declared twice: in {known.declared_in} and in {spec.declared_in}. '
            "Give one of them another name=…."
        )
    _REGISTRY.put(spec.name, (spec, task))


def _place_of(task: Task) -> str:
    code = getattr(unwrap(task.function), "__code__", None)
    path = f"{task.function.__module__.replace('.', '/')}.py"
    return path if code is None else f"{path}:{code.co_firstlineno}"


_REGISTRY: Registry[tuple[Spec, Task]] = Registry()
