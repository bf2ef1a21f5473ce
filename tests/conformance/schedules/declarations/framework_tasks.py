"""Functions with @background that are enqueued as Tasks of Django's framework."""

from __future__ import annotations

from datetime import date
from typing import Any

from schedules import HOURLY, background
from tests.app.models import Effect
from worker import Cancel, current_job


def asked(error: BaseException, job: Any) -> float | None:
    return None if job.attempt > 2 else 0


@background
def give_back(value: Any = None) -> Any:
    return value


@background(
    name="receipts",
    schedule=60,
    queue="mail",
    priority=7,
    max_attempts=4,
    backoff=[1, 2],
    retry_on=[ConnectionError],
    give_up_on=["builtins.BrokenPipeError"],
    atomic=True,
    fresh_connection=True,
    may_fail=True,
    verbose_name="A receipt",
    creator="the shop",
)
def send_receipt(order: int) -> int:
    return order


@background(max_attempts=9, backoff=asked)
def fail_until_it_is_given_up() -> None:
    raise LookupError("again")


@background(max_attempts=3, backoff=[0], retry_on=[ConnectionError])
def fail_with(error: str) -> None:
    raise {"connection": ConnectionError, "value": ValueError}[error](error)


@background(atomic=True)
def write_and_return_a_date(key: str, day: int) -> date | object:
    Effect.objects.create(key=key)
    return date(2026, 1, day) if day else object()


@background
def cancel() -> None:
    raise Cancel("no need")


@background(name="who am I")
def tell() -> list[Any]:
    job = current_job()
    return [] if job is None else [job.task, job.attempt]


@background(repeat=HOURLY)
def repeat() -> None: ...


@background(remove_existing_tasks=True)
def replace(order: int, again: bool = False) -> None: ...


@background(overlap="skip")
def of_schedules() -> None: ...
