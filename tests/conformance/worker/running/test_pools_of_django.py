"""Jobs whose connections come from Django's pool of psycopg: a slot takes one for a job, and gives it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections, transaction

from schedules.declarations import Background
from schedules.declarations.background import declare_task
from tests.app.models import Effect
from tests.app.tasks import gates, hold
from tests.conformance.worker.process.workers import Crew
from tests.conformance.worker.queue.jobs import ALIAS
from tests.processes import eventually
from worker.models import FinishedJob
from worker.running import pool

pytest.importorskip("psycopg_pool")

pytestmark = [pytest.mark.usefixtures("database", "own_declarations"), pytest.mark.only_on("postgresql")]

POOL = {"min_size": 1, "max_size": 3, "timeout": 10}


@pytest.fixture(autouse=True)
def pooled(database: None, monkeypatch: pytest.MonkeyPatch, crew: Crew) -> Iterator[None]:
    """The test's own thread takes its connections from the pool, too."""
    connections[ALIAS].close()
    with monkeypatch.context() as settings:
        settings.setitem(connections.settings[ALIAS]["OPTIONS"], "pool", POOL)
        settings.setitem(connections.settings[ALIAS], "CONN_MAX_AGE", 0)
        yield
        crew.dismiss()
        connections[ALIAS].close()
        _wrapper().close_pool()


def _wrapper() -> Any:
    return connections[ALIAS]


def task(function: Callable[..., Any], **options: Any) -> Background[Any, Any, Any]:
    return declare_task(function, None, {"max_attempts": 1, "backoff": [0], **options})


def available() -> int:
    """Connections of the pool that nobody has."""
    connections[ALIAS].close()
    number: int = _wrapper().pool.get_stats().get("pool_available", 0)
    return number


def size() -> int:
    number: int = _wrapper().pool.get_stats()["pool_size"]
    return number


seen: list[int] = []


def look() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        seen.append(cursor.fetchone()[0])


@pytest.fixture(autouse=True)
def nothing_seen() -> Iterator[None]:
    yield
    seen.clear()


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_a_slot_gives_a_connection_back_to_the_pool_after_each_job(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    monkeypatch.setattr(pool, "BREAK", 60)
    crew.start(threads=2)
    for number in range(1, 4):
        task(look, atomic=atomic)()
        eventually(lambda number=number: FinishedJob.objects.count() == number)  # type: ignore[misc]

        eventually(lambda: available() == size())


def test_as_many_slots_as_the_pool_has_connections_work_at_once(crew: Crew) -> None:
    crew.start(threads=3)
    for name in "abc":
        hold(name)
    eventually(lambda: Effect.objects.count() >= 2)
    connections[ALIAS].close()  # and leave the third to the third
    eventually(lambda: size() == 3 and _wrapper().pool.get_stats().get("pool_available", 0) == 0)
    for name in "abc":
        gates[name].set()

    eventually(lambda: FinishedJob.objects.filter(state="succeeded", attempts=1).count() == 3)
    assert Effect.objects.count() == 3


def test_more_slots_than_the_pool_has_connections_take_turns(crew: Crew) -> None:
    jobs = task(look).enqueue_many([((), {})] * 60)

    crew.work_until_idle(threads=8)

    assert FinishedJob.objects.filter(pk__in=jobs, state="succeeded", attempts=1).count() == 60
    assert len(set(seen)) <= 3


def look_afterwards() -> None:
    look()


def change_and_look() -> None:
    transaction.atomic().__enter__()
    look()


@pytest.mark.parametrize(
    ("function", "options", "state"),
    [(look, {"fresh_connection": True}, "succeeded"), (change_and_look, {}, "failed")],
    ids=["with a fresh connection", "leaves a transaction open"],
)
def test_a_session_that_a_task_has_changed_does_not_go_back_to_the_pool(
    crew: Crew, function: Callable[[], None], options: dict[str, Any], state: str
) -> None:
    jobs = task(function, **options).enqueue_many([((), {})] * 3)
    after = task(look_afterwards)()

    crew.work_until_idle(threads=1)

    assert FinishedJob.objects.filter(pk__in=jobs, state=state).count() == 3
    assert FinishedJob.objects.get(pk=after.pk).state == "succeeded"
    assert len(set(seen)) == 4
