"""What is wrong is found by indexes, so that a check costs what is wrong, and not how many schedules there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db.models.signals import post_init

from schedules import changes
from schedules.models import Leadership, Schedule
from schedules.overview import Selection, health, overview
from schedules.overview.kinds import kinds_of, values_of
from schedules.overview.problems import of_jobs, of_schedules
from schedules.overview.scope import Scope
from tests.conformance.model.virtual import ALIAS, VirtualClock, finish, start_jobs
from tests.conformance.worker.dialects.test_plans import NOW, crowd, strays
from tests.conformance.worker.queue.jobs import another_session
from tests.schedules.recurrence.moments import at
from worker.models import FinishedJob

health_of = import_module("schedules.overview.health")

ASKED: dict[str, tuple[str, Callable[[str], object]]] = {
    "undecided": (".*next_run_at_.*", lambda using: list(of_schedules.undecided(Scope(using, NOW)))),
    "ahead": ("schedules_settled_until", lambda using: list(of_schedules.undecided(Scope(using, NOW)))),
    "failing": ("worker_finished_failed", lambda using: list(of_schedules.failing(Scope(using, NOW)))),
    "left behind": ("worker_job_lane", lambda using: list(of_jobs.left_behind(Scope(using, NOW)))),
    "tasks": ("schedules_kinds", lambda using: list(values_of(Schedule.objects.using(using), "task"))),
    "editions": (
        "schedules_kinds",
        lambda using: list(kinds_of(Schedule.objects.using(using).planned(), "task", "queue", "zone_version")),
    ),
}
"""What is asked, and the index that answers."""


@pytest.mark.only_on("postgresql", "mysql")
@pytest.mark.usefixtures("database")
def test_a_problem_is_looked_for_along_an_index() -> None:
    crowd()

    with another_session() as using:
        found = {question: strays(ask, using, index) for question, (index, ask) in ASKED.items()}
    astray = {question: [each for each in them if not _ends_at_the_first(each)] for question, them in found.items()}

    assert not any(astray.values()), astray


@pytest.fixture
def clock(database: None) -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def read() -> Iterator[list[str]]:
    """The names of the schedules whose rows are read, once the list has been cleared."""
    names: list[str] = []

    def note(instance: Schedule, **_: Any) -> None:
        if instance.pk is not None:
            names.append(instance.name)

    post_init.connect(note, sender=Schedule)
    yield names
    post_init.disconnect(note, sender=Schedule)


def test_a_check_reads_few_schedules_where_all_are_well(clock: VirtualClock, read: list[str]) -> None:
    clock.declared_many(200, cron="0 * * * *")
    read.clear()

    found = health(ALIAS, clock.now())
    assert [problem.code for problem in found.problems] == ["no-leader"]
    assert (found.schedules, len(read)) == (200, 0)

    Leadership.objects.create(leader="web-1:7", lock="session", started_at=clock.now(), renewed_at=clock.now())
    found = health(ALIAS, clock.now())
    assert found.problems == ()
    assert found.next_run is not None
    assert len(read) <= 20


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(names=["s1", "s3"]), {"s1", "s3"}),
        (Selection(queue="mail"), {"mailed"}),
        (Selection(paused=True), {"paused"}),
        (Selection(within=timedelta(minutes=10)), {"soon"}),
        (Selection(failing=True), {"broken"}),
    ],
)
def test_a_selection_reads_no_other_schedules(
    clock: VirtualClock, read: list[str], selection: Selection, names: set[str]
) -> None:
    clock.declared_many(20, cron="0 * * * *")
    clock.declared("mailed", cron="0 * * * *", queue="mail")
    clock.declared("soon", cron="*/5 * * * *")
    changes.pause(clock.declared("paused", cron="0 * * * *"), ALIAS, reason="", now=clock.now())
    broken = clock.declared("broken", cron="0 * * * *")
    Schedule.objects.filter(pk=broken.pk).update(broken="ValueError: no", next_run_at=None)
    read.clear()

    found = overview(ALIAS, clock.now(), 1, selection)

    assert {each.name for each in found.schedules} == set(read) == names


def test_of_many_schedules_no_more_are_counted_than_anybody_wants_to_know(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.declared_many(5, cron="0 * * * *")
    monkeypatch.setattr(health_of, "MOST_COUNTED", 3)

    assert health(ALIAS, clock.now()).schedules == 4


def test_a_schedule_that_failed_once_and_has_succeeded_since_is_well(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")
    for hour in ("11:00", "12:00", "13:00"):
        clock.tick(hour)
        finish(start_jobs(), clock.now())
    scope = Scope(ALIAS, at("13:01"))
    first, second, third = FinishedJob.objects.order_by("finished_at")

    FinishedJob.objects.filter(pk__in=[first.pk, second.pk]).update(state="failed")
    assert not list(of_schedules.failing(scope))

    FinishedJob.objects.filter(pk=third.pk).update(state="failed", reason="TimeoutError: no answer")
    (problem,) = of_schedules.failing(scope)
    assert problem.message == '"s" failed in its last run: TimeoutError: no answer'


def _ends_at_the_first(stray: str) -> bool:
    """MariaDB calls it a walk along the whole index, and takes one step."""
    return stray.startswith("index of") and stray.endswith("ORDER BY 1 ASC LIMIT 1")
