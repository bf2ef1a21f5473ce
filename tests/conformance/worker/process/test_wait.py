"""Waiting for a job: who waits learns of its end at once, wherever it ends, and never waits for what cannot come."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection, connections, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from schedules import background
from schedules.testing import ManualClock, run_jobs
from tests.app.tasks import gates, hold, nothing
from tests.conformance.worker.process.workers import Crew, cut
from tests.conformance.worker.queue.jobs import ALIAS, ack, claim_one, enqueue, error
from tests.processes import eventually
from tests.schedules.recurrence.moments import at
from worker import api, current_job
from worker.handles import waiting
from worker.models import FinishedJob, Job
from worker.outcomes import Failed, Retry, Succeeded
from worker.sessions.connection import private_connection
from worker.wakeup import READY, awaited, ends, listening
from worker.wakeup.listening import Listener

pytestmark = pytest.mark.usefixtures("database")

postgresql_only = pytest.mark.only_on("postgresql")
told_at_once = pytest.mark.only_on("postgresql", "sqlite")


@pytest.fixture(autouse=True)
def nobody_waits(database: None) -> Iterator[None]:
    """Each test leaves nobody who waits, and no thread that hears for them."""
    yield
    assert waiting._rooms == {}
    eventually(lambda: not [each for each in threading.enumerate() if each.name == "carillon-waiter"])


@background(max_attempts=2, backoff=[0])
def fail_and_succeed(gate: str) -> None:
    """The first attempt waits at that gate, and fails."""
    job = current_job()
    assert job is not None
    if job.attempt == 1:
        gates[gate].wait(timeout=30)
        raise LookupError


class Waiter:
    """Waits for a job in a thread of its own."""

    def __init__(self, id: int, timeout: float | None = 30.0) -> None:
        self.handle = api.get(id)
        self.timeout = timeout
        self.got: api.JobHandle | None = None
        self.failure: BaseException | None = None
        self.ends_at = math.inf if timeout is None else time.monotonic() + timeout
        self.returned_at = 0.0
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        try:
            self.got = self.handle.wait(self.timeout)
        except BaseException as failure:  # noqa: BLE001  for the test to see
            self.failure = failure
        finally:
            self.returned_at = time.monotonic()
            connections.close_all()

    def result(self) -> api.JobHandle:
        self._thread.join(timeout=40)
        if self.failure is not None:
            raise self.failure
        assert self.got is not None
        return self.got

    def woken(self) -> api.JobHandle:
        """The result of one who does not look by himself before his time is over."""
        result = self.result()
        assert self.returned_at < self.ends_at - 1
        return result


def is_heard_for(*ids: int) -> bool:
    """Whether those who wait for these jobs sleep until they are told."""
    room = waiting._rooms.get(ALIAS)
    return room is not None and all(str(id) in room.wakes for id in ids)


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """By himself, for longer than the test lasts. Nor does anybody ask again."""
    for name in ("LONGEST_PAUSE_IF_TOLD", "LONGEST_PAUSE", "FIRST_PAUSE"):
        monkeypatch.setattr(waiting, name, 3600.0)
    monkeypatch.setattr(ends, "ASK_EVERY", 3600.0)


def is_asked_for(id: int) -> bool:
    """Whether a worker of this process tells its end. Where files are watched, nobody asks."""
    return awaited.awaited.has_any([id]) or connection.vendor == "sqlite"


def number_heard_for() -> int:
    room = waiting._rooms.get(ALIAS)
    return 0 if room is None else sum(map(len, list(room.wakes.values())))


# The end


def test_who_waits_gets_the_job_as_it_is_when_it_is_finished(crew: Crew) -> None:
    crew.start()

    job = api.get(nothing(1).pk).wait(timeout=30)

    assert (job.state, job.is_finished) == ("succeeded", True)


def test_a_job_that_is_finished_is_not_waited_for() -> None:
    id = enqueue()
    ack(claim_one(), Succeeded())

    with CaptureQueriesContext(connection) as queries:
        assert api.get(id).wait(timeout=0).state == "succeeded"
    assert len(queries) == 2  # to read it


def test_a_retry_is_not_the_end() -> None:
    id = enqueue()
    ack(claim_one(), Retry(error(), 0))
    waiter = Waiter(id)
    eventually(lambda: is_heard_for(id) or connection.vendor == "mysql")

    ack(claim_one(), Failed(error(attempt=2)))

    assert waiter.result().state == "failed"
    assert len(waiter.result().errors) == 2


@pytest.mark.parametrize("verb", ["cancel", "cancel_all"])
def test_the_end_by_hand_of_another_process_is_seen(verb: str) -> None:
    id = enqueue()
    waiter = Waiter(id)
    eventually(lambda: is_heard_for(id) or connection.vendor == "mysql")

    assert api.get(id).cancel() if verb == "cancel" else api.cancel_all(ids=[id])

    assert waiter.result().state == "cancelled"


def test_many_wait_for_one_job_and_for_several(crew: Crew) -> None:
    ids = [hold(f"gate {number}").pk for number in range(3)]
    waiters = [Waiter(id) for id in (*ids, *ids)]
    crew.start()

    for number in range(3):
        gates[f"gate {number}"].set()

    assert [waiter.result().id for waiter in waiters] == [*ids, *ids]


def test_async_code_waits_for_many_at_once_with_no_thread_for_each(crew: Crew) -> None:
    ids = [hold("one gate").pk for _ in range(8)]
    crew.start(threads=8)
    opener = threading.Timer(0.5, gates["one gate"].set)

    async def work() -> list[str]:
        handles = [await api.aget(id) for id in ids]
        opener.start()
        return [each.state for each in await asyncio.gather(*(each.await_finished(30) for each in handles))]

    assert async_to_sync(work)() == ["succeeded"] * 8


# At once


@told_at_once
@pytest.mark.usefixtures("nobody_looks")
def test_all_who_wait_are_woken_when_the_end_is_recorded(crew: Crew) -> None:
    hand = crew.start(threads=2)
    with Listener(ALIAS, {READY: hand.worker.wake}):
        ids = [hold("wait").pk for _ in range(2)]
        waiters = list[Waiter]()
        for id in (*ids, *ids):
            waiters.append(Waiter(id))
            eventually(lambda: number_heard_for() == len(waiters))
            eventually(lambda id=id: is_asked_for(id))  # type: ignore[misc]
        eventually(lambda: all(api.get(id).state == "running" for id in ids))

        gates["wait"].set()

        assert [waiter.woken().state for waiter in waiters] == ["succeeded"] * 4


@told_at_once
@pytest.mark.usefixtures("nobody_looks")
def test_who_waits_through_a_retry_is_woken_at_the_end(crew: Crew) -> None:
    hand = crew.start()
    with Listener(ALIAS, {READY: hand.worker.wake}):
        id = fail_and_succeed("retry").pk
        waiter = Waiter(id)
        eventually(lambda: is_heard_for(id) and is_asked_for(id))

        gates["retry"].set()

        assert (waiter.woken().state, len(waiter.result().errors)) == ("succeeded", 1)


@told_at_once
@pytest.mark.usefixtures("nobody_looks")
@pytest.mark.parametrize("verb", ["cancel", "cancel_all"])
def test_who_waits_is_woken_by_an_end_by_hand(verb: str) -> None:
    id = enqueue()
    waiter = Waiter(id)
    eventually(lambda: is_heard_for(id))

    assert api.get(id).cancel() if verb == "cancel" else api.cancel_all(ids=[id])

    assert waiter.woken().state == "cancelled"


@told_at_once
@pytest.mark.usefixtures("nobody_looks")
def test_what_ends_before_the_first_listens_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    id = enqueue()

    @contextmanager
    def opened_late(alias: str, purpose: str) -> Iterator[str]:
        api.get(id).cancel()
        connections.close_all()
        with private_connection(alias, purpose) as using:
            yield using

    monkeypatch.setattr(listening, "private_connection", opened_late)

    assert Waiter(id).woken().state == "cancelled"


@told_at_once
@pytest.mark.usefixtures("nobody_looks")
def test_what_ends_before_anybody_hears_for_who_waits_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    id = enqueue()
    monkeypatch.setattr(waiting, "join", lambda *_: api.get(id).cancel())
    monkeypatch.setattr(waiting, "leave", lambda *_: None)

    assert Waiter(id).woken().state == "cancelled"


@postgresql_only
@pytest.mark.usefixtures("nobody_looks")
def test_who_waits_asks_again_since_workers_may_have_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "ASK_EVERY", 0.05)
    id = enqueue()
    with Listener(ALIAS, {}):
        waiter = Waiter(id)
        for _ in range(3):
            eventually(lambda: awaited.awaited.take([id]))
        api.get(id).cancel()

        assert waiter.woken().state == "cancelled"


class Leaving(dict[str, Callable[[], None]]):
    """Whoever waits leaves as soon as anybody has looked whether he is there."""

    def __contains__(self, topic: object) -> bool:
        was_there = super().__contains__(topic)
        self.clear()
        return was_there


def test_who_leaves_while_he_is_told_does_not_end_who_hears_for_others() -> None:
    told: list[str] = []
    listener = Listener(ALIAS, Leaving({"7": lambda: told.append("7")}))

    listener.tell("7")
    listener.tell("8")

    assert told == ["7"]


@told_at_once
@pytest.mark.usefixtures("nobody_looks")
def test_async_code_that_is_cancelled_while_it_joins_leaves_nobody_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    id = enqueue()
    joins, answers = threading.Event(), threading.Event()

    def told_late(alias: str) -> bool:
        joins.set()
        return answers.wait(timeout=30)

    async def work() -> None:
        under_way = asyncio.create_task((await api.aget(id)).await_finished(30))
        assert await asyncio.to_thread(joins.wait, 30)
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        answers.set()
        await sync_to_async(lambda: None)()  # in the same thread, so after what goes on there

    monkeypatch.setattr(waiting, "can_be_told", told_late)
    async_to_sync(work)()

    assert waiting._rooms == {}


@pytest.mark.only_on("sqlite")
def test_a_database_in_memory_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waiting.can_be_told(ALIAS)

    monkeypatch.setitem(connection.settings_dict, "NAME", ":memory:")

    assert not waiting.can_be_told(ALIAS)


@postgresql_only
def test_a_job_for_which_nobody_waits_is_told_to_nobody(crew: Crew) -> None:
    for number in range(5):
        nothing(number)
    with heard_notifications() as told:
        crew.work_until_idle()

    assert FinishedJob.objects.count() == 5
    assert told() == []


@contextmanager
def heard_notifications() -> Iterator[Callable[[], list[str]]]:
    with connection.cursor() as cursor:
        cursor.execute(f'LISTEN "{awaited.ends_channel()}"')
        yield lambda: [notice.payload for notice in connection.connection.notifies(timeout=0.2)]
        cursor.execute("UNLISTEN *")


@postgresql_only
def test_who_hears_goes_on_in_a_new_session_when_its_own_is_cut(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    id = hold("cut").pk
    waiter = Waiter(id)
    eventually(lambda: is_heard_for(id))
    (session,) = eventually(lambda: [each for each in crew.sessions if each.alias.endswith(":waiter")])

    cut(session)
    eventually(lambda: len([each for each in crew.sessions if each.alias.endswith(":waiter")]) == 2)
    crew.start()
    gates["cut"].set()

    assert waiter.result().state == "succeeded"


def test_where_nobody_tells_it_looks(settings: Settings, crew: Crew) -> None:
    settings.SCHEDULER = {"WAKEUP": "poll"}
    id = hold("poll").pk
    waiter = Waiter(id)
    crew.start()
    gates["poll"].set()

    assert waiter.result().state == "succeeded"


# Not for ever


def test_the_time_to_wait_is_over() -> None:
    id = enqueue()

    with pytest.raises(api.NotFinished, match=rf"Job {id} is not finished after 0.1 s\."):
        api.get(id).wait(timeout=0.1)
    with pytest.raises(TimeoutError):
        api.get(id).wait(timeout=0)


def test_no_pause_is_longer_than_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LONGEST_PAUSE", 3600.0)
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 3600.0)
    waiter = Waiter(enqueue(), timeout=0.1)

    with pytest.raises(api.NotFinished):
        waiter.result()


def test_the_time_to_wait_is_over_in_async_code() -> None:
    id = enqueue()

    async def work() -> None:
        await (await api.aget(id)).await_finished(0.1)

    with pytest.raises(api.NotFinished):
        async_to_sync(work)()


def test_a_job_that_ended_and_is_nowhere_is_told_as_that() -> None:
    id = enqueue()
    waiter = Waiter(id)

    Job.objects.filter(pk=id).delete()

    with pytest.raises(api.NoSuchJob, match=f"Job {id} has ended, and history does not have it"):
        waiter.result()


def test_in_a_transaction_it_refuses_instead_of_waiting_for_ever() -> None:
    with transaction.atomic():
        handle = api.get(enqueue())
        with pytest.raises(TransactionManagementError, match="in a transaction: job"):
            handle.wait(timeout=30)


def test_in_a_transaction_a_finished_job_is_there() -> None:
    id = enqueue()
    handle = api.get(id)
    ack(claim_one(), Succeeded())

    with transaction.atomic():
        assert handle.wait(timeout=0).state == "succeeded"


told_in_a_task: list[str] = []


@background
def wait_for(id: int) -> None:
    try:
        api.get(id).wait()
    except ValueError as error:
        told_in_a_task.append(str(error))


def test_a_task_must_say_how_long_it_waits() -> None:
    wait_for(enqueue(task="nobody.has.it"))

    run_jobs()

    assert "timeout is None, but must be a number of seconds in a task" in told_in_a_task.pop()


@pytest.mark.parametrize("timeout", [-1, "5", True, float("nan"), float("inf")], ids=repr)
def test_a_timeout_that_is_none_is_refused(timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout is"):
        api.get(enqueue()).wait(timeout)


# What others asked for


def test_a_question_is_forgotten_after_a_while_and_answered_once() -> None:
    clock = ManualClock(at("10:00"))
    asked = awaited.Awaited(clock)
    asked.ask([1, 2, 3])

    assert asked.take([1, 4]) == [1]
    assert asked.take([1]) == []
    clock.advance(awaited.ASKED_FOR)
    assert asked.take([2]) == []


def test_questions_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaited, "MOST_ASKED", 3)
    clock = ManualClock(at("10:00"))
    asked = awaited.Awaited(clock)
    asked.ask([1, 2, 3])

    asked.ask([4])
    assert asked.take([4]) == []
    clock.advance(awaited.ASKED_FOR)
    asked.ask([4])
    assert asked.take([1, 4]) == [4]


@pytest.mark.parametrize("payload", ["awaited:", "awaited:x,-1,²,", "awaited:9" * 3])
def test_a_question_that_is_none_harms_nobody(payload: str) -> None:
    assert awaited.hear_question(payload)


@pytest.mark.parametrize("payload", ["ready", "later", "", "7"])
def test_other_news_are_no_question(payload: str) -> None:
    assert not awaited.hear_question(payload)
