"""Tasks of Django's framework, in a module that nothing imports at the start of a worker."""

from __future__ import annotations

import json
from decimal import Decimal
from math import nan
from typing import Any

from tests.app.models import Effect
from worker import Cancel, Fail, current_job
from worker.backends import task
from worker.results import LONGEST


@task
def give_back(value: Any) -> Any:
    return value


@task
async def give_back_asynchronously(value: Any) -> Any:
    return value


@task(takes_context=True)
def tell(context: Any) -> list[Any]:
    result = context.task_result
    return [context.attempt, result.id, result.status, len(result.worker_ids), result.args, result.task == tell]


@task
def tell_its_job() -> list[Any]:
    job = current_job()
    return [] if job is None else [job.id, job.task, job.attempt, job.max_attempts]


@task(max_attempts=3, backoff=[0])
def fail_at_first(trace: str) -> str:
    seen = Effect.objects.filter(key=trace).exists()
    Effect.objects.create(key=trace)
    if not seen:
        raise ConnectionError("The other side was not there yet.")
    return "there"


@task(max_attempts=2, backoff=[0])
def fail() -> None:
    raise LookupError("nothing there")


def give_up_when_there_was_one_before(error: BaseException, result: Any) -> float | None:
    return None if len(result.errors) else 0


@task(max_attempts=9, backoff=give_up_when_there_was_one_before)
def fail_twice() -> None:
    raise LookupError("nothing there")


@task(max_attempts=3, backoff=[0], retry_on=[ConnectionError], give_up_on=["builtins.BrokenPipeError"])
def fail_with(name: str) -> None:
    raise {"reset": ConnectionResetError, "pipe": BrokenPipeError, "value": ValueError}[name]


@task
def raise_what_nobody_can_import() -> None:
    class Local(LookupError):
        pass

    raise Local("here only")


@task
def cancel() -> None:
    raise Cancel("no need")


@task(max_attempts=5)
def fail_for_good() -> None:
    raise Fail("never")


@task(atomic=True)
def write_atomically(trace: str) -> str:
    Effect.objects.create(key=trace)
    return trace


@task(atomic=True)
def write_atomically_and_return_what_is_no_json(trace: str) -> Any:
    Effect.objects.create(key=trace)
    return Decimal(1)


@task(priority=7, queue_name="mail", max_attempts=4, backoff=[1, 2], may_fail=True)
def with_options() -> None: ...


UNKEPT = {
    "a key that is no text": {1: "a"},
    "no finite number": nan,
    "no value of JSON": object(),
    "a number that JSON has not": Decimal(1),
    "too long": "x" * LONGEST,
    "too deep": json.loads("[" * 200 + "]" * 200),
    "a function": print,
}
"""What no history keeps."""


@task
def give_back_what_cannot_be_kept(what: str) -> Any:
    return UNKEPT[what]
