"""A job carries the context of its call, and its task runs in it, on every database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed_offset
from typing import Any

import pytest
from django.utils import timezone, translation
from pytest_django import Settings

from schedules import api
from schedules.changes import edit
from schedules.models import Schedule
from schedules.testing import ManualClock, run_jobs
from tests.app.models import Effect
from tests.conformance.worker.carry.carriers import (
    Failing,
    RaisesAnew,
    Tenant,
    blocks,
    fail_at_first,
    tell_where,
    tell_where_as_task,
    tell_where_asynchronously,
    tell_where_atomically,
    tenant,
)
from tests.conformance.worker.process.workers import Crew, heard
from worker import Cancel, signals
from worker.api import CarrierFailed
from worker.api import get as get_job
from worker.carry import Language, TimeZone, restoring
from worker.carry.capturing import LONGEST
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _carry(settings: Settings) -> Iterator[None]:
    settings.SCHEDULER = {"CARRY": [Tenant(), "worker.carry.Language", TimeZone]}
    settings.LANGUAGE_CODE, settings.TIME_ZONE = "en", "UTC"
    blocks.clear()
    before = tenant.set(None)
    yield
    tenant.reset(before)


@pytest.fixture
def _elsewhere() -> Iterator[None]:
    """The test calls from there."""
    before = tenant.set("acme")
    with translation.override("de"), timezone.override("Europe/Riga"):
        yield
    tenant.reset(before)


THERE = ["acme", "de", "Europe/Riga"]
elsewhere = pytest.mark.usefixtures("_elsewhere")


def _results() -> list[Any]:
    return [job.result for job in FinishedJob.objects.order_by("pk")]


@elsewhere
def test_a_task_runs_in_the_context_of_its_call(crew: Crew) -> None:
    tell_where()
    tell_where.using(schedule=timedelta(0)).enqueue()
    tell_where.enqueue_many([((1,), {}), ((2,), {})])

    crew.work_until_idle(threads=2)

    assert _results() == [THERE] * 4


@elsewhere
def test_an_atomic_task_does_so_in_its_transaction(crew: Crew) -> None:
    tell_where_atomically()

    crew.work_until_idle()

    assert _results() == [[True, *THERE]]
    assert Effect.objects.get().key == "acme"


@elsewhere
def test_a_task_of_the_framework_does_so_too(crew: Crew) -> None:
    results = [tell_where_as_task.enqueue(), tell_where_asynchronously.enqueue()]

    crew.work_until_idle()

    for result in results:
        result.refresh()
        assert result.return_value == THERE
        assert result.task.queue_name == "default"


@elsewhere
def test_a_call_in_async_code_carries_its_own_context(crew: Crew) -> None:
    async def call() -> None:
        tenant.set("other")
        await tell_where.aenqueue()
        await tell_where.aenqueue_many([((), {})])

    asyncio.run(call())
    crew.work_until_idle()

    assert [where[0] for where in _results()] == ["other", "other"]


def test_nothing_leaks_into_the_next_job(crew: Crew) -> None:
    before = tenant.set("acme")
    with translation.override("de"):
        tell_where()
    tenant.reset(before)
    tell_where()

    crew.work_until_idle(threads=1)

    assert _results() == [["acme", "de", "UTC"], [None, "en", "UTC"]]


@pytest.mark.parametrize("zone", ["UTC", UTC], ids=["by name", "as an offset"])
def test_a_job_to_which_nothing_is_to_be_carried_is_a_plain_one(zone: Any) -> None:
    with timezone.override(zone):
        assert tell_where().task_options is None
    assert tell_where.using(schedule=60).enqueue().task_options is None


@pytest.mark.parametrize("zone", [fixed_offset(timedelta(hours=-3, minutes=-30)), UTC])
def test_a_fixed_offset_is_carried(settings: Settings, zone: fixed_offset) -> None:
    settings.TIME_ZONE = "Europe/Riga"
    with timezone.override(zone):
        expected = timezone.get_current_timezone_name()
        tell_where()
    run_jobs()

    assert _results() == [[None, "en", expected]]


@elsewhere
def test_each_attempt_and_a_retry_by_hand_have_what_the_call_carried() -> None:
    job = fail_at_first()
    with translation.override("fr"):
        clock = ManualClock(database_now("default"))
        run_jobs(clock=clock)
        clock.advance(5)
        run_jobs(clock=clock)
        Effect.objects.update(key="seen")
        get_job(job.pk).retry()
        tenant.set("none")
        run_jobs(clock=clock)

    assert sorted(Effect.objects.values_list("key", flat=True)) == ["acme", "seen", "seen"]


# Schedules


@elsewhere
def test_each_run_of_a_schedule_has_what_the_call_that_made_it_carried() -> None:
    tell_where.using(repeat=60).enqueue()
    api.schedule(tell_where, name="nightly", repeat=60)
    tenant.set("none")
    with translation.override("fr"):
        clock = ManualClock(database_now("default"))
        run_jobs(clock=clock)
        clock.advance(61)
        run_jobs(clock=clock)
        api.get("nightly").run_now()
        run_jobs(clock=clock)

    assert len(_results()) == 4
    assert all(where == THERE for where in _results())


def test_what_is_carried_makes_no_other_schedule_of_an_equal_call() -> None:
    tenant.set("acme")
    first = tell_where.using(repeat=60).enqueue()
    revision = Schedule.objects.get().revision
    tenant.set("other")

    again = tell_where.using(repeat=60).enqueue()

    assert again.pk == first.pk
    row = Schedule.objects.get()
    assert row.revision == revision
    assert json.loads(row.task_options or "") == {"carried": {"tenant": "acme"}}


def test_an_edit_by_a_call_carries_anew_and_one_in_the_admin_keeps_what_is_carried() -> None:
    tenant.set("acme")
    api.schedule(tell_where, name="nightly", repeat=60)
    tenant.set("other")
    api.schedule(tell_where, name="nightly", repeat=120)
    row = Schedule.objects.get()
    assert json.loads(row.task_options or "") == {"carried": {"tenant": "other"}}
    revision = api.get("nightly").revision

    edit(row, "default", database_now("default"), task_options='{"atomic": true}')

    row.refresh_from_db()
    assert json.loads(row.task_options or "") == {"carried": {"tenant": "other"}, "atomic": True}
    assert api.get("nightly").revision != revision


def test_options_of_its_own_stand_beside_what_is_carried() -> None:
    tenant.set("acme")
    api.schedule(tell_where, name="nightly", repeat=60, atomic=True, backoff=[1, 2])
    job = api.get("nightly").run_now()

    run_jobs()

    assert json.loads(job.task_options or "") == {
        "carried": {"tenant": "acme"},
        "atomic": True,
        "backoff": [1.0, 2.0],
    }
    assert [where[0] for where in _results()] == ["acme"]


# What goes wrong


def test_a_capture_that_raises_fails_the_call_and_nothing_is_enqueued(settings: Settings) -> None:
    settings.SCHEDULER = {"CARRY": [Failing("capture")]}

    for call in (
        tell_where,
        tell_where.using(repeat=60).enqueue,
        tell_where_as_task.enqueue,
        lambda: tell_where.enqueue_many([((), {})]),
        lambda: api.schedule(tell_where, name="nightly", repeat=60),
    ):
        with pytest.raises(CarrierFailed, match=r'"failing" of SCHEDULER\["CARRY"\] cannot capture .*tenant is gone'):
            call()

    assert not Job.objects.exists()
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {1, 2}}, r'tell_where\(…\): what "failing" of .* cannot be stored: the value\[.a.\] is'),
        ("x" * 20_000, r"is a text of 20002 characters, and at most 16384 are allowed"),
        ("x" * (LONGEST - 1), r"is a text of 16385 characters, and at most 16384 are allowed"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_the_carrier_and_the_place(
    settings: Settings, value: Any, message: str
) -> None:
    settings.SCHEDULER = {"CARRY": [Failing("nowhere", value=value)]}

    with pytest.raises(TypeError, match=message):
        tell_where()

    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "value",
    [datetime(2026, 7, 2, 3, tzinfo=UTC), {"$a": [None, 1.5]}, False, 0, "", [], "x" * (LONGEST - 2)],
    ids=lambda value: repr(value)[:30],
)
def test_a_value_comes_back_as_it_was_captured(value: Any) -> None:
    before = tenant.set(value)
    tell_where()
    tenant.reset(before)

    run_jobs()

    ((restored, *_),) = _results()
    assert restored == value
    assert type(restored) is type(value)


@pytest.mark.parametrize("at", ["begin", "end"])
@pytest.mark.parametrize("task", [tell_where, tell_where_atomically])
def test_a_carrier_that_fails_at_a_run_is_a_failed_attempt_with_its_name(
    settings: Settings, crew: Crew, at: str, task: Any
) -> None:
    settings.SCHEDULER = {"MAX_ATTEMPTS": 2, "BACKOFF": 0, "CARRY": [Tenant(), Failing(at)]}
    tenant.set("acme")
    task()

    crew.work_until_idle(threads=1)

    job = FinishedJob.objects.get()
    assert (job.state, job.attempts) == (FinishedState.FAILED, 2)
    assert {(error["kind"], error["exception"]) for error in job.error_list} == {
        ("CarrierFailed", "worker.api.CarrierFailed")
    }
    assert '"failing" of SCHEDULER["CARRY"] cannot' in job.reason
    assert "the tenant is gone" in job.reason
    assert blocks == ["tenant begins", "tenant ends"] * 2
    assert not Effect.objects.exists()


def test_a_carrier_may_say_how_the_job_goes_on(settings: Settings) -> None:
    settings.SCHEDULER = {"CARRY": [Failing("begin", Cancel("the tenant has left"))]}
    tell_where()

    run_jobs()

    job = FinishedJob.objects.get()
    assert (job.state, job.reason) == (FinishedState.CANCELLED, "the tenant has left")


def test_a_carrier_cannot_swallow_what_a_task_raises(settings: Settings) -> None:
    settings.SCHEDULER = {"CARRY": [Failing("swallow")]}
    fail_at_first()

    run_jobs()

    job = FinishedJob.objects.get()
    assert [error["kind"] for error in job.error_list] == ["ArithmeticError"]
    assert (job.state, job.attempts) == (FinishedState.SUCCEEDED, 2)


def test_a_block_that_raises_anew_what_the_task_raised_has_not_failed(settings: Settings) -> None:
    settings.SCHEDULER = {"CARRY": [Tenant(), RaisesAnew()]}
    tenant.set("acme")
    fail_at_first()

    run_jobs()

    job = FinishedJob.objects.get()
    assert [error["kind"] for error in job.error_list] == ["ArithmeticError"]
    assert blocks == ["tenant begins", "tenant ends"] * 2


def test_only_so_many_unknown_carriers_are_told_and_remembered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "MOST_TOLD", 2)
    monkeypatch.setattr(restoring, "_told_unknown", {"one of before"})
    tell_where()
    Job.objects.update(task_options='{"carried": {"a": 1, "b": 2, "c": 3}}')

    with heard(signals.carrier_unknown) as told:
        run_jobs()

    assert len(told) == 1


def test_what_no_carrier_here_knows_is_left_out_and_told_once(settings: Settings) -> None:
    tenant.set("acme")
    with translation.override("de"):
        tell_where()
        tell_where()
    settings.SCHEDULER = {"CARRY": [Language]}

    with heard(signals.carrier_unknown) as told:
        run_jobs()

    assert [where[1] for where in _results()] == ["de", "de"]
    assert [each["key"] for each in told] == ["tenant"]


def test_what_somebody_else_wrote_in_its_place_fails_that_job_alone() -> None:
    good, bad = tell_where(), tell_where()
    Job.objects.filter(pk=bad.pk).update(task_options='{"carried": 7}', max_attempts=1)

    run_jobs()

    states = dict(FinishedJob.objects.values_list("pk", "state"))
    assert states == {good.pk: FinishedState.SUCCEEDED, bad.pk: FinishedState.FAILED}
