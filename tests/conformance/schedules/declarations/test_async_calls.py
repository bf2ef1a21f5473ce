"""Calls in async code: one awaits them, they join the transaction, and a plain call says how."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction

from schedules import api, background
from schedules.models import Schedule
from tests.app.models import Effect
from worker.calls import InvalidCall
from worker.models import Job

pytestmark = pytest.mark.usefixtures("database")


@background
def notify(number: int = 0) -> None: ...


def test_an_awaited_call_makes_a_job_with_the_options_that_it_is_given() -> None:
    async def view() -> list[Any]:
        return [
            await notify.aenqueue(1),
            await notify.using(queue="mail", schedule=60).aenqueue(number=2),
            *await notify.aenqueue_many([((3,), {}), ((4,), {})]),
        ]

    first, second, *others = async_to_sync(view)()

    assert (first.args, first.state) == ([1], "ready")
    assert (second.kwargs, second.state, second.queue) == ({"number": 2}, "scheduled", "mail")
    assert [Job.objects.get(pk=id).args for id in others] == [[3], [4]]


def test_what_the_database_decided_is_read_in_async_code_as_of_any_row() -> None:
    async def view() -> Any:
        job: Any = await notify.using(schedule=60).aenqueue()
        await job.arefresh_from_db(fields=["run_at", "enqueued_at"])
        return job.run_at - job.enqueued_at

    assert async_to_sync(view)().total_seconds() == 60


def test_an_awaited_call_that_repeats_makes_a_schedule() -> None:
    async_to_sync(notify.using(repeat=60).aenqueue)()

    assert Schedule.objects.get().repeat == "60"


def test_an_awaited_call_joins_the_transaction_and_is_undone_with_it() -> None:
    async def both() -> None:
        await Effect.objects.acreate(key="one")
        await notify.aenqueue()
        await notify.aenqueue_many([((), {})])
        assert await Job.objects.acount() == 2

    with transaction.atomic():
        async_to_sync(both)()
        transaction.set_rollback(True)

    assert (Job.objects.count(), Effect.objects.count()) == (0, 0)


def test_what_is_wrong_with_an_awaited_call_is_said_as_of_any_other() -> None:
    with pytest.raises(TypeError, match=r"test_async_calls\.notify\(…\): too many positional arguments"):
        async_to_sync(notify.aenqueue)(1, 2)  # type: ignore[call-arg]
    with pytest.raises(InvalidCall, match="schedule is -1"):
        async_to_sync(notify.using(schedule=-1).aenqueue)()


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda: notify(1), "await ….aenqueue(…)."),
        (lambda: notify(1, remove_existing_tasks=True), "await ….aenqueue(…)."),
        (lambda: notify(1, repeat=60), "await ….aenqueue(…)."),
        (lambda: notify.enqueue_many([((1,), {})]), "await ….aenqueue_many(…)."),
        (lambda: api.schedule(notify, name="one", repeat=60), "await asgiref.sync.sync_to_async(…)(…)."),
        (lambda: api.get("one"), "await asgiref.sync.sync_to_async(…)(…)."),
    ],
)
def test_a_plain_call_in_async_code_is_refused_and_told_how(call: Any, instead: str) -> None:
    async def view() -> None:
        call()

    with pytest.raises(SynchronousOnlyOperation) as refused:
        async_to_sync(view)()

    assert str(refused.value).endswith(f" in async code: write {instead}")
    assert not Job.objects.exists()


def test_a_plain_call_in_a_function_that_async_code_hands_to_a_thread_works() -> None:
    async def view() -> None:
        await sync_to_async(notify)(1)

    async_to_sync(view)()

    assert Job.objects.count() == 1
