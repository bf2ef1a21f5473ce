"""`schedules.api`: users' own schedules, made, edited and found at run time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from schedules import api
from schedules.api import NoSuchSchedule
from schedules.models import Schedule, Source
from schedules.spec import InvalidSchedule
from tests.conformance.model.virtual import REPORT, VirtualClock, declared, jobs_of, ledger_of
from tests.schedules.recurrence.moments import at
from worker.models import FinishedJob, Job


async def later() -> None: ...


@pytest.fixture
def clock(database: None, monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    return VirtualClock(monkeypatch)


def test_a_schedule_is_made_and_runs(clock: VirtualClock) -> None:
    handle = api.schedule("report", name="eu", repeat=60, args=["eu"], kwargs={"deep": True}, queue="mail")

    clock.tick("10:01")

    assert (handle.row.source, handle.row.name) == (Source.API, "eu")
    job = Job.objects.get()
    assert (job.task, job.args, job.kwargs, job.queue) == ("report", ["eu"], {"deep": True}, "mail")


@pytest.mark.parametrize("task", [REPORT, "report", "tests.conformance.model.virtual.report"])
def test_a_task_is_given_by_itself_or_by_its_name(clock: VirtualClock, task: Any) -> None:
    assert api.schedule(task, name="s", repeat=60).row.task in ("report", "tests.conformance.model.virtual.report")


def test_a_second_call_edits_and_keeps_the_next_run(clock: VirtualClock) -> None:
    api.schedule("report", name="eu", repeat=3600)
    clock.set("10:20")

    handle = api.schedule("report", name="eu", repeat=3600, queue="mail")

    assert (handle.row.queue, handle.row.next_run_at) == ("mail", at("11:00"))
    assert Schedule.objects.count() == 1


def test_a_one_off_whose_time_is_past_runs_now(clock: VirtualClock) -> None:
    handle = api.schedule("report", name="late", run_at=at("09:00"))

    clock.tick()

    assert jobs_of(handle.row) == ["09:00 ready"]
    assert handle.row.status == "ended"


def test_a_one_off_that_ran_and_is_asked_for_again_runs_once(clock: VirtualClock) -> None:
    handle = api.schedule("report", name="late", run_at=at("09:00"))
    clock.tick()

    api.schedule("report", name="late", run_at=at("09:00"), queue="mail")
    clock.tick("10:01")

    assert ledger_of(handle.row) == ["09:00 enqueued"]
    assert handle.row.status == "ended"


def test_a_one_off_that_is_moved_and_moved_back_to_where_it_ran_breaks_nothing(clock: VirtualClock) -> None:
    handle = api.schedule("report", name="late", run_at=at("09:00"))
    clock.tick()
    api.schedule("report", name="late", run_at=at("12:00"))

    api.schedule("report", name="late", run_at=at("09:00"))
    clock.tick("10:01")

    assert ledger_of(handle.row) == ["09:00 enqueued"]
    assert handle.row.status == "ended"


def test_a_schedule_joins_the_callers_transaction(clock: VirtualClock) -> None:
    with transaction.atomic():
        api.schedule("report", name="eu", repeat=60)
        transaction.set_rollback(True)

    assert Schedule.objects.count() == 0


def test_get_finds_a_schedule_whoever_made_it(clock: VirtualClock) -> None:
    declared("by a call", repeat=60, source=Source.CALL)

    assert api.get("by a call").row.source == Source.CALL


def test_get_tells_what_does_not_exist(clock: VirtualClock) -> None:
    api.schedule("report", name="eu", repeat=60)

    with pytest.raises(NoSuchSchedule, match=r'There is no schedule "EU"\.'):
        api.get("EU")


def test_a_handle_outlives_its_schedule_and_says_so(clock: VirtualClock) -> None:
    handle = api.schedule("report", name="eu", repeat=60)
    handle.delete()

    for use in (handle.run_now, handle.resume, handle.delete, lambda: handle.pause("")):
        with pytest.raises(NoSuchSchedule):
            use()


def test_every_verb_of_a_handle(clock: VirtualClock) -> None:
    handle = api.schedule("report", name="eu", repeat=60, overlap="allow")

    handle.pause("holiday", until=at("10:30"), by="bob")
    assert (handle.row.status, handle.row.paused_until) == ("paused", at("10:30"))
    clock.set("10:05")
    handle.resume()
    assert ledger_of(handle.row) == ["10:01–10:05 (5) paused"]
    assert handle.run_now(by="bob").state == "ready"
    assert handle.backfill(at("10:01"), at("10:02"), dry_run=True) == 2
    assert handle.backfill(at("10:01"), at("10:02"), overlap="allow") == 2
    clock.tick("10:06")
    assert ledger_of(handle.row) == [
        "10:01 backfilled",
        "10:02 backfilled",
        "10:03–10:05 (3) paused",
        "10:06 enqueued",
    ]
    handle.repair()
    assert handle.row.next_run_at == at("10:07")
    handle.delete()
    assert Schedule.objects.count() == 0
    assert FinishedJob.objects.filter(state="cancelled").count() == 4


def test_a_name_that_code_declares_is_taken(clock: VirtualClock) -> None:
    declared("nightly", source=Source.SETTINGS, declared_in='settings.SCHEDULES["nightly"]', repeat=60)

    with pytest.raises(InvalidSchedule, match=r'is declared in settings\.SCHEDULES\["nightly"\]\. Choose another\.'):
        api.schedule("report", name="nightly", repeat=60)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task": "reprot", "repeat": 60}, r'task "reprot" cannot be imported .* Did you mean "report"\?'),
        ({"name": " ", "repeat": 60}, r"the name ' ' will not do"),
        ({"name": "x" * 256, "repeat": 60}, r"give 1 to 255 printable characters"),
        ({"name": "a\nb", "repeat": 60}, r"give 1 to 255 printable characters"),
        ({"repaet": 60}, r'"repaet" is not an option\. Did you mean "repeat"\?'),
        ({"repeat": 60, "cron": "* * * * *"}, r"give exactly one of cron, repeat and run_at; found cron and repeat"),
        ({}, r"give exactly one of cron, repeat and run_at; found none of them"),
        ({"run_at": at("10:00").replace(tzinfo=None)}, r"run_at is .*, but must be an aware datetime"),
        ({"repeat": timedelta(milliseconds=500)}, r"is not an interval"),
        ({"task": f"{__name__}.later", "repeat": 60}, r": it is an async function, so a call would not run it"),
    ],
)
def test_what_could_not_work_is_refused_and_leaves_no_trace(
    clock: VirtualClock, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidSchedule, match=said) as refused:
        api.schedule(**{"task": "report", "name": "eu", **given})

    assert str(refused.value).startswith("schedule(name=")
    assert Schedule.objects.count() == 0


def test_a_pause_ends_at_an_aware_instant(clock: VirtualClock) -> None:
    handle = api.schedule("report", name="eu", repeat=60)

    with pytest.raises(InvalidSchedule, match=r"^eu: until is .*, but must be an aware datetime"):
        handle.pause("", until=at("11:00").replace(tzinfo=None))


@pytest.mark.parametrize("reason", ["a\x00b", 7, "x" * 256])
def test_a_pause_takes_a_reason_that_can_be_read(clock: VirtualClock, reason: Any) -> None:
    handle = api.schedule("report", name="eu", repeat=60)

    with pytest.raises(InvalidSchedule, match=r"reason is .* at most 255 printable characters"):
        handle.pause(reason)

    assert handle.row.status == "active"
