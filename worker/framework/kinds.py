"""The Task of this queue: that of the framework, with the options that this queue has besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from worker import error_classes, framework, keeping
from worker.backoff import Backoff
from worker.error_classes import ErrorClass
from worker.keeping import AS_SETTINGS, Keep, Keeping
from worker.tasks import DEFAULT_QUEUE, ERROR_CLASSES, KEEP, RUN_OPTIONS

OWN = (*(name for name in RUN_OPTIONS if name != "keep_result"), *ERROR_CLASSES, KEEP)
"""The options that are not of the framework. The result of a Task is always kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(framework.Task):  # type: ignore[type-arg]  # at run time Django's takes none
    """What `@task` makes for our backend. An option of ours that is None is as `TASKS[…]["OPTIONS"]` says.

    `run_after` may be a timedelta as well: so long after it is enqueued. A list becomes a tuple, and a class of
    exceptions its dotted path.
    """

    max_attempts: int | None = None
    backoff: Backoff | None = None
    retry_on: Sequence[ErrorClass] | None = None
    give_up_on: Sequence[ErrorClass] | None = None
    atomic: bool | None = None
    fresh_connection: bool | None = None
    may_fail: bool | None = None
    log: bool | None = None
    keep: Keeping | Keep = AS_SETTINGS

    def __post_init__(self) -> None:
        object.__setattr__(self, "backoff", _as_tuple(self.backoff))
        for option in ERROR_CLASSES:
            classes = getattr(self, option)
            if classes is not None and error_classes.problem(option, classes) is None:
                object.__setattr__(self, option, tuple(error_classes.paths(classes)))
        if keeping.problem(self.keep) is None:
            object.__setattr__(self, KEEP, keeping.read(self.keep))
        framework.Task.__post_init__(self)

    def using(
        self,
        *,
        priority: int | None = None,
        queue_name: str | None = None,
        run_after: datetime | timedelta | None = None,
        backend: str | None = None,
        **own: Any,
    ) -> Task:
        """The same with other options. `own`: those of this queue. Raises TypeError for one that there is not.

        A function as `backoff` is declared with the Task: no row could keep it.
        """
        if callable(own.get("backoff")):
            raise TypeError("backoff: a function is given where its Task is declared, and not to using(…).")
        given = {"priority": priority, "queue_name": queue_name, "run_after": run_after, "backend": backend, **own}
        return replace(self, **{name: value for name, value in given.items() if value is not None or name == KEEP})


def own_options(task: framework.AnyTask) -> dict[str, Any]:
    """What the Task says of the options of this queue, as a row keeps it. One of another backend has none.

    A function as `backoff` is not in it: the Task that is declared has it.
    """
    said = {name: getattr(task, name, None) for name in OWN}
    return {name: value for name, value in said.items() if value not in (None, AS_SETTINGS) and not callable(value)}


def unchecked(kind: type[framework.AnyTask], **given: Any) -> Any:
    """A Task of that kind as it was once made, whatever the settings have become since."""
    task = object.__new__(kind)
    for field in fields(kind):
        default = None if field.default is MISSING else field.default
        value = given.get(field.name, _DEFAULTS.get(field.name, default))
        object.__setattr__(task, field.name, keeping.stored(value) if field.name == KEEP else _as_tuple(value))
    return task


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_DEFAULTS = {"priority": 0, "backend": "default", "queue_name": DEFAULT_QUEUE, "takes_context": False}
