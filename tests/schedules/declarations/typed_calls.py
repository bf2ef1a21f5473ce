"""What a type checker knows of calls. mypy reads it, and nobody runs it: each ignore stands where it must complain.

An ignore that is not needed is an error of its own, so a wrong call that passes is noticed, too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import assert_type

from schedules import DAILY, NEVER, background, scheduled
from schedules.models import Schedule
from worker.models import Job


@background
def notify(user_id: int, *, urgent: bool = False) -> str:
    return ""


@background(queue="mail", schedule=timedelta(minutes=5), max_attempts=3)
def send(to: str) -> None: ...


@background(repeat="5 minutes", overlap="skip")
def poll(region: str) -> None: ...


@background(cron="30 2 * * *", timezone="Europe/Paris")
def nightly() -> None: ...


@background(repeat=NEVER)
def once() -> None: ...


@scheduled(repeat=DAILY)
def tidy(older_than: int = 30) -> int:
    return 0


@scheduled(name="eu", repeat=DAILY, args=["eu"])
@background(repeat=60)
def both(region: str) -> None: ...


def the_arguments_are_those_of_the_function() -> None:
    notify(7)
    notify(user_id=7, urgent=True)
    notify("seven")  # type: ignore[call-overload]
    notify()  # type: ignore[call-overload]
    notify(7, urgent="very")  # type: ignore[call-overload]
    notify(7, shedule=60)  # type: ignore[call-overload]
    notify.enqueue("seven")  # type: ignore[arg-type]
    notify.enqueue()  # type: ignore[call-arg]
    notify.using(schedule=60).enqueue("seven")  # type: ignore[arg-type]
    notify.now("seven")  # type: ignore[arg-type]
    tidy("old")  # type: ignore[call-overload]


def a_call_makes_a_job_or_a_schedule() -> None:
    assert_type(notify(7), Job)
    assert_type(send("olga"), Job)
    assert_type(once(), Job)
    assert_type(tidy(), Job)
    assert_type(poll("eu"), Schedule)
    assert_type(nightly(), Schedule)
    assert_type(both("eu"), Schedule)
    assert_type(notify.enqueue(7), Job)
    assert_type(poll.enqueue("eu"), Schedule)
    assert_type(notify.now(7), str)
    assert_type(tidy.now(), int)


def options_may_be_given_at_the_call() -> None:
    assert_type(notify(7, schedule=60), Job)
    assert_type(notify(7, schedule=datetime(2026, 7, 2, tzinfo=UTC), queue="mail", priority=5), Job)
    assert_type(notify(7, remove_existing_tasks=True), Job)
    assert_type(notify(7, repeat="1 hour", key="hourly"), Schedule)
    assert_type(notify(7, cron="0 9 * * monday", timezone="Europe/Paris"), Schedule)
    assert_type(notify(7, repeat=NEVER), Job | Schedule)
    assert_type(poll("eu", schedule=60), Schedule)
    assert_type(poll("eu", starts_at=datetime(2026, 7, 2, tzinfo=UTC)), Schedule)
    notify(7, schedule="soon")  # type: ignore[call-overload]
    notify(7, priority="high")  # type: ignore[call-overload]


def options_may_be_bound_first() -> None:
    assert_type(notify.using(schedule=60).enqueue(7), Job)
    assert_type(notify.using(repeat=timedelta(hours=1)).enqueue(7), Schedule)
    assert_type(notify.using(cron="0 9 * * *", queue="mail")(7), Schedule)
    assert_type(poll.using(queue="mail").enqueue("eu"), Schedule)
    assert_type(poll.using(repeat=NEVER).enqueue("eu"), Job | Schedule)
    notify.using(shedule=60)  # type: ignore[call-overload]
    notify.using(queue=7)  # type: ignore[call-overload]


async def async_calls_are_typed_as_the_others() -> None:
    assert_type(await notify.aenqueue(7), Job)
    assert_type(await poll.aenqueue("eu"), Schedule)
    await notify.aenqueue("seven")  # type: ignore[arg-type]


def a_declaration_is_checked_too() -> None:
    background(max_attempts="three")  # type: ignore[call-overload]
    background(retries=3)  # type: ignore[call-overload]
