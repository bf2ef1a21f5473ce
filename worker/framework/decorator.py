"""Django's `@task`, for the Task of this queue. Users import it from `worker.backends`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from worker import framework
from worker.framework.kinds import Task
from worker.tasks import DEFAULT_QUEUE


@overload
def task(function: Callable[..., Any], /) -> Task: ...
@overload
def task(
    *,
    priority: int = 0,
    queue_name: str = DEFAULT_QUEUE,
    backend: str = "default",
    takes_context: bool = False,
    **options: Any,
) -> Callable[[Callable[..., Any]], Task]: ...
def task(
    function: Callable[..., Any] | None = None,
    *,
    priority: int = 0,
    queue_name: str = DEFAULT_QUEUE,
    backend: str = "default",
    takes_context: bool = False,
    **options: Any,
) -> Any:
    """Django's `@task`, with the options of the backend's Task also where Django's own does not take them (6.0).

    options: those of `DatabaseBackend`, for this Task. Raises TypeError for one that the backend does not have.
    """

    def declare(function: Callable[..., Any]) -> Any:
        return framework.task_backends[backend].task_class(
            func=function,
            priority=priority,
            queue_name=queue_name,
            backend=backend,
            takes_context=takes_context,
            run_after=None,
            **options,
        )

    return declare if function is None else declare(function)
