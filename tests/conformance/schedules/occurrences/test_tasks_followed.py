"""What a schedule does not say itself, a run asks its task for: queue, priority and attempts as they are then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from schedules import changes
from schedules.models import Schedule
from schedules.testing import isolated_registry
from tests.conformance.model.virtual import ALIAS, REPORT, VirtualClock, again, sync
from tests.schedules.recurrence.moments import at
from worker import tasks
from worker.models import Job
from worker.options import Options
from worker.tasks import Task


@pytest.fixture(autouse=True)
def another_release() -> Iterator[None]:
    with isolated_registry():
        yield


def release(**options: object) -> None:
    """The code is another now."""
    tasks.register(Task(REPORT.function, REPORT.name, **options))  # type: ignore[arg-type]  # as the cases say


def made() -> list[tuple[str, int, int]]:
    return list(Job.objects.order_by("pk").values_list("queue", "priority", "max_attempts"))


def test_a_run_has_the_queue_priority_and_attempts_that_its_task_has_then(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, overlap="allow")
    clock.tick("10:01")
    release(queue="mail", priority=7, max_attempts=2)
    clock.tick("10:02")
    changes.run_now(again(schedule), ALIAS, clock.now())
    clock.to("10:03")
    changes.backfill(again(schedule), ALIAS, clock.now(), at("09:00"), at("10:00"))

    assert made() == [("default", 0, Options().MAX_ATTEMPTS), ("mail", 7, 2), ("mail", 7, 2)]


def test_what_the_schedule_says_itself_stays(clock: VirtualClock) -> None:
    clock.declared(repeat=60, overlap="allow", queue="default", priority=0, max_attempts=3)
    release(queue="mail", priority=7, max_attempts=2)
    sync(ALIAS, clock, clock.now(), [])
    clock.tick("10:01")

    assert made() == [("default", 0, 3)]


def test_where_the_task_is_unknown_a_run_has_what_the_row_had_from_it_last(clock: VirtualClock) -> None:
    clock.declared(repeat=60)
    release(queue="mail", priority=7, max_attempts=2)
    sync(ALIAS, clock, clock.now(), [])
    with isolated_registry(empty=True):
        clock.tick("10:01")

    assert made() == [("mail", 7, 2)]


def test_a_run_before_in_the_queue_that_the_task_had_is_none_that_a_schedule_waits_for(clock: VirtualClock) -> None:
    clock.declared(repeat=60)
    clock.tick("10:01")
    release(queue="mail")
    clock.tick("10:02")

    assert [queue for queue, *_ in made()] == ["default", "mail"]


def test_a_leader_that_begins_shows_what_the_tasks_are_now(clock: VirtualClock) -> None:
    follows, says = clock.declared("follows", repeat=60), clock.declared("says", repeat=60, queue="own")
    release(queue="mail", priority=7, max_attempts=2)

    sync(ALIAS, clock, clock.now() + timedelta(seconds=1), [])

    shown = dict(Schedule.objects.values_list("name", "queue"))
    assert (shown, again(follows).priority, again(says).max_attempts) == ({"follows": "mail", "says": "own"}, 7, 2)
