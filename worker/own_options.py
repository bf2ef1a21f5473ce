"""Options of a task that one schedule overrides for its jobs: JSON in the column `task_options` of their rows.

Mostly it is None: the task's options hold. `max_attempts` has a column of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

from worker import keeping, tasks
from worker.carry.stored import options_alone
from worker.keeping import AS_SETTINGS, Keep
from worker.tasks import ERROR_CLASSES, KEEP, RUN_OPTIONS, InvalidTask, Task, run_option_problem
from worker.values import ClaimedJob

IN_TEXT = tuple(name for name in RUN_OPTIONS if name != "max_attempts")


def run_options(task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `RUN_OPTIONS` as they are stored: equal ones alike. Raises InvalidTask."""
    own = {name: given[name] for name in RUN_OPTIONS if given.get(name) is not None}
    for name, value in own.items():
        if fault := run_option_problem(name, value):
            raise InvalidTask(fault)
    max_attempts = own.pop("max_attempts", task.attempts_allowed)
    text = json.dumps({name: _plain(value) for name, value in own.items()}, sort_keys=True) if own else None
    return {"max_attempts": max_attempts, "task_options": text}


def said_in(text: str | None) -> dict[str, Any]:
    """The options that a text says, without those that only a later release knows. Of what cannot be read, none."""
    with suppress(ValueError, TypeError):
        alone = options_alone(text)
        return {} if alone is None else dict(_read(alone))
    return {}


def task_of(job: ClaimedJob) -> Task:
    """The task as the job has it. Raises UnknownTask; InvalidTask or TypeError where the row says what cannot be."""
    task = tasks.get(job.task)
    if job.task_options is None:
        return task
    alone = options_alone(job.task_options)
    return task if alone is None else _with_own(Same(task), alone)


def keep_of(name: str, text: str | None) -> Keep:
    """How long a finished job of that task stays, with these options of its own. Whoever ends it may not know it."""
    if text is not None and _SAYS_KEEP in text and (own := _keep_in(options_alone(text) or "")) is not None:
        return own
    task = tasks.find(name)
    return AS_SETTINGS if task is None else task.keep  # type: ignore[return-value]  # a Task has made it one


class Same:
    """A task as a key: equal to itself alone. Its own equality would compare lists, which have no hash."""

    __slots__ = ("task",)

    def __init__(self, task: Task) -> None:
        self.task = task

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.task is self.task

    def __hash__(self) -> int:
        return id(self.task)


@lru_cache(maxsize=1024)
def _with_own(same: Same, text: str) -> Task:
    """To make a task is to examine it, which would take longer than a small job."""
    return replace(same.task, **_read(text))


@lru_cache(maxsize=1024)
def _read(text: str) -> Mapping[str, Any]:
    told = json.loads(text)
    if not isinstance(told, dict):
        raise TypeError(f"task_options is {text[:100]}, but must be a JSON object.")
    return {name: told[name] for name in (*IN_TEXT, *ERROR_CLASSES) if name in told}


@lru_cache(maxsize=1024)
def _keep_in(text: str) -> Keep | None:
    with suppress(ValueError, TypeError, LookupError):
        return keeping.stored(json.loads(text)[KEEP])
    return None


def _plain(value: object) -> object:
    """A flag, or seconds, or a list of them."""
    if isinstance(value, (list, tuple)):
        return [float(each) for each in value]
    return value if isinstance(value, bool) else float(value)  # type: ignore[arg-type]


_SAYS_KEEP = f'"{KEEP}"'
