"""The Tasks of the kit. Workers in other processes import them by their paths."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from worker import framework
from worker.conformance import values
from worker.conformance.plugin import VARIABLE

ALIAS = os.environ.get(VARIABLE, "default")


def _a_queue() -> str:
    known = framework.task_backends[ALIAS].queues
    return "default" if not known or "default" in known else min(known)


QUEUE = _a_queue()


def declared(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """The decorator of the framework, for this backend."""
    return partial(framework.task, backend=ALIAS, queue_name=QUEUE, **options)


@declared()
def give_back(value: Any = None) -> Any:
    return value


@declared()
def join(one: str, *, two: str) -> str:
    return one + two


@declared()
def show(value: Any) -> str:
    return ascii(value)


@declared()
def write(path: str, line: str, extra: Any = None) -> None:
    with Path(path).open("a") as file:
        file.write(f"{line}\n")


@declared()
def tell_process() -> int:
    return os.getpid()


@declared(takes_context=True)
def tell(context: Any, *args: Any) -> list[Any]:
    result = context.task_result
    return [context.attempt, result.id, str(result.status), len(result.worker_ids), result.args]


@declared()
def fail(message: str) -> None:
    raise ValueError(message)


@declared()
def exit_at_once() -> None:
    raise SystemExit(1)


@declared()
def be_cancelled() -> None:
    raise asyncio.CancelledError


@declared()
def interrupt() -> None:
    raise KeyboardInterrupt


@declared()
def raise_what_is_odd(kind: str) -> None:
    raise values.ODD_ERRORS[kind]()


@declared()
def give_back_what_is_odd(kind: str) -> Any:
    return values.ODD_RESULTS[kind]
