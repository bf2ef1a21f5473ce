"""`schedules.api`: users' own schedules, made, edited and found at run time, by the database's own clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from schedules import api, changes
from schedules.api import Handle, NoSuchSchedule
from schedules.models import Kind, Occurrence, Schedule, Source
from schedules.scheduler import tick
from schedules.spec import InvalidSchedule
from tests.conformance.model.virtual import ALIAS, REPORT, declared, jobs_of, ledger_of, spec
from tests.schedules.recurrence.moments import at
from worker.chores import Chores
from worker.clock import database_now
from worker.models import FinishedJob, Job

pytestmark = pytest.mark.usefixtures("database")

PAST, FUTURE = at("2020-01-01 09:00"), at("2090-01-01 12:00")


async def later() -> None: ...


def tick_at(instant: datetime | None) -> None:
    assert instant is not None
    tick(ALIAS, instant, Chores())


def outcomes(handle: Handle) -> dict[datetime, str]:
    """Of its lines, by the first instant of each."""
    lines = Occurrence.objects.filter(schedule=handle.row.pk, kind=Kind.NOMINAL)
    return dict(lines.values_list("scheduled_for", "outcome"))


def test_a_schedule_is_made_and_runs() -> None:
    handle = api.schedule("report", name="eu", repeat=60, args=["eu"], kwargs={"deep": True}, queue="mail")

    tick_at(handle.row.next_run_at)

    assert (handle.row.source, handle.row.name) == (Source.API, "eu")
    job = Job.objects.get()
    assert (job.task, job.args, job.kwargs, job.queue) == ("report", ["eu"], {"deep": True}, "mail")


@pytest.mark.parametrize("task", [REPORT, "report", "tests.conformance.model.virtual.report"])
def test_a_task_is_given_by_itself_or_by_its_name(task: Any) -> None:
    assert api.schedule(task, name="s", repeat=60).row.task in ("report", "tests.conformance.model.virtual.report")


def test_enabled_pauses_and_resumes_but_not_what_an_operator_has_paused() -> None:
    def status(*, enabled: bool) -> str:
        return api.schedule("report", name="eu", repeat=3600, enabled=enabled).row.status

    assert [status(enabled=value) for value in (True, False, True)] == ["active", "paused", "active"]
    api.get("eu").pause("holiday", by="bob")
    assert [status(enabled=value) for value in (False, True)] == ["paused", "paused"]
    assert api.get("eu").row.pause_reason == "holiday"


def test_a_first_run_is_where_a_repeat_counts_from() -> None:
    row = api.schedule("report", name="eu", repeat=3600, first_run=FUTURE).row

    assert (row.anchor, row.next_run_at) == (FUTURE, FUTURE)


def test_a_second_call_edits_and_keeps_the_next_run() -> None:
    first = api.schedule("report", name="eu", repeat=3600).row

    handle = api.schedule("report", name="eu", repeat=3600, queue="mail")

    assert (handle.row.queue, handle.row.next_run_at) == ("mail", first.next_run_at)
    assert Schedule.objects.count() == 1


def test_a_one_off_whose_time_is_past_runs_now() -> None:
    handle = api.schedule("report", name="late", run_at=PAST)

    tick_at(database_now(ALIAS))

    assert jobs_of(handle.row) == ["2020-01-01 09:00 ready"]
    assert handle.row.status == "ended"


def test_a_one_off_that_ran_and_is_asked_for_again_runs_once() -> None:
    handle = api.schedule("report", name="late", run_at=PAST)
    tick_at(database_now(ALIAS))

    api.schedule("report", name="late", run_at=PAST, queue="mail")
    tick_at(database_now(ALIAS))

    assert ledger_of(handle.row) == ["2020-01-01 09:00 enqueued"]
    assert handle.row.status == "ended"


def test_a_one_off_that_is_moved_and_moved_back_to_where_it_ran_breaks_nothing() -> None:
    handle = api.schedule("report", name="late", run_at=PAST)
    tick_at(database_now(ALIAS))
    api.schedule("report", name="late", run_at=FUTURE)

    api.schedule("report", name="late", run_at=PAST)
    tick_at(database_now(ALIAS))

    assert ledger_of(handle.row) == ["2020-01-01 09:00 enqueued"]
    assert handle.row.status == "ended"


def test_a_schedule_joins_the_callers_transaction() -> None:
    with transaction.atomic():
        api.schedule("report", name="eu", repeat=60)
        transaction.set_rollback(True)

    assert Schedule.objects.count() == 0


def test_get_finds_a_schedule_whoever_made_it() -> None:
    declared("by a call", repeat=60, source=Source.CALL)

    assert api.get("by a call").row.source == Source.CALL


def test_get_tells_what_does_not_exist() -> None:
    api.schedule("report", name="eu", repeat=60)

    with pytest.raises(NoSuchSchedule, match=r'There is no schedule "EU"\.'):
        api.get("EU")


def test_a_handle_outlives_its_schedule_and_says_so() -> None:
    handle = api.schedule("report", name="eu", repeat=60)
    handle.delete()

    for use in (handle.run_now, handle.resume, handle.delete, lambda: handle.pause("")):
        with pytest.raises(NoSuchSchedule):
            use()


def test_every_verb_of_a_handle() -> None:
    made = database_now(ALIAS) - timedelta(minutes=5, seconds=30)
    row = changes.bring_in_line(spec("eu", repeat=60, overlap="allow"), ALIAS, made)
    changes.pause(row, ALIAS, made, reason="")
    handle, minutes = api.get("eu"), [made + timedelta(minutes=minute) for minute in range(8)]

    handle.pause("holiday", until=minutes[7], by="bob")
    assert (handle.row.status, handle.row.paused_until) == ("paused", minutes[7])
    handle.resume()
    assert outcomes(handle) == {minutes[1]: "paused"}
    assert handle.run_now(by="bob").state == "ready"
    assert handle.backfill(minutes[1], minutes[2], dry_run=True) == 2
    assert handle.backfill(minutes[1], minutes[2], overlap="allow") == 2
    tick_at(minutes[6])
    assert outcomes(handle) == {
        minutes[1]: "backfilled",
        minutes[2]: "backfilled",
        minutes[3]: "paused",
        minutes[6]: "enqueued",
    }
    handle.delete()
    assert Schedule.objects.count() == 0
    assert FinishedJob.objects.filter(state="cancelled").count() == 4


def test_a_schedule_is_repaired() -> None:
    handle = api.get(declared("eu", repeat=60).name)
    Schedule.objects.update(repeat="nonsense", broken="why", next_run_at=None)

    Schedule.objects.update(repeat="60")
    handle.repair()

    assert handle.row.status == "active"


def test_a_name_that_code_declares_is_taken() -> None:
    declared("nightly", source=Source.SETTINGS, declared_in='settings.SCHEDULES["nightly"]', repeat=60)

    with pytest.raises(InvalidSchedule, match=r'is declared in settings\.SCHEDULES\["nightly"\]\. Give one of them'):
        api.schedule("report", name="nightly", repeat=60)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task": "reprot", "repeat": 60}, r'task "reprot" cannot be imported .* Did you mean "report"\?'),
        ({"name": " ", "repeat": 60}, r"the name ' ' cannot be used"),
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
def test_what_could_not_work_is_refused_and_leaves_no_trace(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSchedule, match=said) as refused:
        api.schedule(**{"task": "report", "name": "eu", **given})

    assert str(refused.value).startswith("schedule(name=")
    assert Schedule.objects.count() == 0


def test_a_pause_ends_at_an_aware_instant() -> None:
    handle = api.schedule("report", name="eu", repeat=60)

    with pytest.raises(InvalidSchedule, match=r"^eu: until is .*, but must be an aware datetime"):
        handle.pause("", until=at("11:00").replace(tzinfo=None))


@pytest.mark.parametrize("reason", ["a\x00b", 7, "x" * 256])
def test_a_pause_takes_a_reason_that_can_be_read(reason: Any) -> None:
    handle = api.schedule("report", name="eu", repeat=60)

    with pytest.raises(InvalidSchedule, match=r"reason is .* at most 255 printable characters"):
        handle.pause(reason)

    assert handle.row.status == "active"
