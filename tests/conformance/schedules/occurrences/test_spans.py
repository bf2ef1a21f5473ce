"""What a task learns of the run that it is: for which time it stands, and which run before it has succeeded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS as ALIAS
from django.db import connection

from schedules import api, background
from schedules.models import Kind, Occurrence, Schedule
from schedules.occurrences import ledger
from schedules.occurrences.due_schedules import due_schedules
from schedules.occurrences.materialize import materialize
from schedules.occurrences.spans import begins_at, covers, previous_success
from schedules.planning.due import Ledgered
from schedules.testing import ManualClock, run_jobs
from tests.conformance.worker.dialects.statements import happening_before
from tests.conformance.worker.process.workers import Crew
from tests.conformance.worker.queue.jobs import another_session, claim_one
from worker import CurrentJob, current_job, queue
from worker.api import get
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job
from worker.running.in_place import InPlace

pytestmark = pytest.mark.usefixtures("database")

HOUR = timedelta(hours=1)

Told = tuple[datetime | None, tuple[datetime, datetime] | None, datetime | None]
told: list[Told] = []
fails_at: set[datetime] = set()


@pytest.fixture(autouse=True)
def _nothing_told_yet() -> None:
    told.clear()
    fails_at.clear()


def tell_of(job: CurrentJob | None) -> None:
    assert job is not None
    told.append((job.scheduled_for, job.covers, job.previous_success))
    if job.scheduled_for in fails_at:
        raise LookupError


@background(max_attempts=1)
def tell() -> None:
    tell_of(current_job())


@background(atomic=True)
def tell_in_a_transaction() -> None:
    tell_of(current_job())


@background(keep={"succeeded": None}, max_attempts=1)
def tell_and_keep_no_success() -> None:
    tell_of(current_job())


@background
def tell_in_async_code() -> None:
    async def ask() -> None:
        tell_of(current_job())

    asyncio.run(ask())


@background
def tell_often() -> None:
    for _ in range(3):
        tell_of(current_job())


@pytest.fixture
def clock() -> ManualClock:
    """It stands at a full second, which every database stores."""
    return ManualClock(database_now(ALIAS).replace(microsecond=0))


def hourly(clock: ManualClock, task: Any = tell, **policies: Any) -> Schedule:
    """From an hour after now."""
    start = clock.now()
    api.schedule(task, name="hourly", repeat=3600, first_run=start + HOUR, **policies)
    Schedule.objects.update(created_at=start, settled_until=start, next_run_at=start + HOUR)
    return Schedule.objects.get()


def pass_hours(clock: ManualClock, hours: int, *, at_once: bool = False) -> None:
    for _ in range(1 if at_once else hours):
        clock.advance(3600 * (hours if at_once else 1))
        run_jobs(clock=clock)


def forget_all() -> None:
    for prune in (ledger.prune, queue.prune):
        list(prune(ALIAS, database_now(ALIAS) + 100 * HOUR))
    assert not Occurrence.objects.exists()
    assert not FinishedJob.objects.exists()


def remembered() -> tuple[datetime | None, datetime | None]:
    """The run and the success."""
    return Schedule.objects.values_list("forgotten_run", "forgotten_success").get()


def spans() -> list[tuple[datetime, datetime] | None]:
    return [covers for _, covers, _ in told]


def hours_from(start: datetime, *bounds: int) -> list[tuple[datetime, datetime]]:
    ends = [start + HOUR * bound for bound in bounds]
    return list(pairwise(ends))


@pytest.mark.parametrize("task", [tell, tell_in_a_transaction, tell_in_async_code], ids=lambda task: task.task.name)
def test_runs_cover_the_time_from_one_to_the_next_and_the_first_from_where_its_schedule_began(
    clock: ManualClock, task: Any
) -> None:
    start = clock.now()
    hourly(clock, task)

    pass_hours(clock, 3)

    assert spans() == hours_from(start, 0, 1, 2, 3)


def test_a_question_is_asked_once_in_an_attempt(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    ask = InPlace.ask

    def counted(*what: Any) -> Any:
        asked.append(what)
        return ask(*what)

    monkeypatch.setattr(InPlace, "ask", counted)
    hourly(clock, tell_often)

    pass_hours(clock, 2)

    assert len(told) == 6
    assert len(asked) == 2 * len(["covers", "previous_success"])


def test_a_run_covers_those_that_were_left_out(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)

    pass_hours(clock, 1)
    pass_hours(clock, 5, at_once=True)

    assert spans() == hours_from(start, 0, 1, 6)


def test_a_pause_is_covered_by_the_run_after_it(clock: ManualClock) -> None:
    start = clock.now()
    row = hourly(clock)
    pass_hours(clock, 1)
    Schedule.objects.filter(pk=row.pk).update(paused_at=clock.now(), next_run_at=None)
    clock.advance(3 * 3600)
    Schedule.objects.filter(pk=row.pk).update(paused_at=None, next_run_at=start + 2 * HOUR, settled_until=start + HOUR)

    run_jobs(clock=clock)

    assert spans() == hours_from(start, 0, 1, 4)


def test_a_backfill_takes_its_share_out_of_the_run_after_it(clock: ManualClock) -> None:
    start = clock.now() - 10 * HOUR
    clock.set(start)
    row = hourly(clock)
    pass_hours(clock, 1)
    pass_hours(clock, 4, at_once=True)
    told.clear()

    assert api.get("hourly").backfill(start + 2 * HOUR, start + 3 * HOUR) == 2
    run_jobs()

    assert spans() == hours_from(start, 1, 2, 3)
    assert [begins_at(row.pk, start + HOUR * n, ALIAS) for n in (1, 2, 3, 5)] == [start + HOUR * n for n in range(4)]


def test_what_is_filled_in_from_before_the_schedule_covers_an_occurrence_each(clock: ManualClock) -> None:
    api.schedule(tell, name="hourly", cron="0 * * * *")
    hour = database_now(ALIAS).replace(minute=0, second=0, microsecond=0) - 5 * HOUR

    assert api.get("hourly").backfill(hour, hour + HOUR) == 2
    run_jobs()

    assert spans() == [(hour - HOUR, hour), (hour, hour + HOUR)]


def test_a_run_by_hand_and_a_job_without_a_schedule_cover_nothing(clock: ManualClock) -> None:
    hourly(clock)
    api.get("hourly").run_now()
    tell()
    tell(schedule=0)

    run_jobs()

    assert spans() == [None, None, None]
    assert Occurrence.objects.filter(kind=Kind.MANUAL).exists()


def test_the_first_run_covers_from_where_its_schedule_starts(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    Schedule.objects.update(starts_at=start + HOUR / 2)

    pass_hours(clock, 1)

    assert spans() == [(start + HOUR / 2, start + HOUR)]


def test_a_run_by_hand_at_the_instant_of_another_run_covers_nothing(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    pass_hours(clock, 1)
    job = api.get("hourly").run_now()
    Job.objects.filter(pk=job.pk).update(scheduled_for=start + HOUR)

    run_jobs(clock=clock)

    assert spans() == [(start, start + HOUR), None]


@pytest.mark.parametrize("statements", range(4))
def test_whoever_asks_what_a_run_covers_is_answered_whenever_its_schedule_is_deleted(
    clock: ManualClock, statements: int
) -> None:
    start = clock.now()
    hourly(clock)
    pass_hours(clock, 2)
    job = api.get("hourly").run_now()
    run = Occurrence.objects.get(scheduled_for=start + 2 * HOUR)
    claimed = claim_one()._replace(id=run.job_id or 0, scheduled_for=run.scheduled_for)
    assert claimed.schedule_id == job.schedule_id

    with happening_before(statements, lambda: Schedule.objects.all().delete()):
        answer = covers(claimed, ALIAS)

    assert answer == ((start + HOUR, start + 2 * HOUR) if statements == 3 else None)


def test_a_run_that_is_retried_by_hand_stands_for_the_same_time(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    fails_at.add(start + HOUR)
    pass_hours(clock, 2)

    again = get(FinishedJob.objects.get(state="failed").pk).retry()
    run_jobs(clock=clock)
    once_more = again.refresh().retry()
    fails_at.clear()
    run_jobs(clock=clock)

    assert [each[:2] for each in told[2:]] == [(start + HOUR, (start, start + HOUR))] * 2
    assert (again.row.schedule_id, getattr(again.row, "lane", None)) == (None, None)
    assert once_more.refresh().state == "succeeded"


def test_the_ledger_may_forget_the_run_before(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    pass_hours(clock, 2)

    assert sum(ledger.prune(ALIAS, database_now(ALIAS) + 100 * HOUR)) == 2
    assert Schedule.objects.get().forgotten_run == start + 2 * HOUR
    pass_hours(clock, 3, at_once=True)

    assert spans() == hours_from(start, 0, 1, 2, 5)


def test_what_is_forgotten_is_no_run_before_those_that_were_filled_in_later(clock: ManualClock) -> None:
    clock.set(clock.now() - 10 * HOUR)
    start = clock.now()
    row = hourly(clock)
    pass_hours(clock, 1)
    pass_hours(clock, 4, at_once=True)
    forget_all()
    told.clear()

    assert api.get("hourly").backfill(start + 3 * HOUR, start + 4 * HOUR) == 2
    run_jobs()
    assert begins_at(row.pk, start + HOUR, ALIAS) == start
    assert spans() == [(start, start + 3 * HOUR), (start + 3 * HOUR, start + 4 * HOUR)]
    forget_all()

    assert remembered() == (start + 5 * HOUR, start + 5 * HOUR)


def test_only_runs_that_stand_for_a_time_are_remembered_and_no_line_that_stays_hides_them(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    pass_hours(clock, 3)
    api.get("hourly").run_now()
    run_jobs(clock=clock)
    second, third = (Occurrence.objects.get(scheduled_for=start + HOUR * n) for n in (2, 3))
    Occurrence.objects.filter(pk__in=[second.pk, third.pk]).update(outcome=Ledgered.EXCLUDED, job_id=None)
    now = database_now(ALIAS) + 100 * HOUR
    Occurrence.objects.filter(pk=third.pk).update(recorded_at=now + HOUR)

    assert sum(ledger.prune(ALIAS, now)) == 3

    assert remembered()[0] == start + HOUR


@pytest.mark.parametrize("stays", [True, False], ids=["the failure stays", "both go"])
def test_a_failure_is_not_remembered_and_hides_no_success(clock: ManualClock, *, stays: bool) -> None:
    start = clock.now()
    hourly(clock)
    fails_at.add(start + 2 * HOUR)
    pass_hours(clock, 2)
    now = database_now(ALIAS) + 100 * HOUR
    if stays:
        FinishedJob.objects.filter(state="failed").update(finished_at=now + HOUR)

    assert sum(queue.prune(ALIAS, now)) == 2 - stays

    assert remembered() == (None, start + HOUR)


def test_the_latest_success_is_the_one_of_the_latest_instant_whichever_ended_last(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    pass_hours(clock, 3)
    FinishedJob.objects.filter(scheduled_for=start + 2 * HOUR).update(finished_at=clock.now() + HOUR)

    pass_hours(clock, 1)

    assert told[-1][2] == start + 3 * HOUR


def test_a_run_is_no_success_before_itself_when_it_is_repeated_by_hand(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    pass_hours(clock, 2)

    get(FinishedJob.objects.get(scheduled_for=start + 2 * HOUR).pk).retry()
    run_jobs(clock=clock)

    assert told[-1] == (start + 2 * HOUR, (start + HOUR, start + 2 * HOUR), start + HOUR)


def test_a_retry_by_hand_mends_a_run_when_it_succeeds_and_so_does_a_retry_of_it(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    fails_at.update({start + 2 * HOUR, start + 3 * HOUR})
    pass_hours(clock, 2)
    again = get(FinishedJob.objects.get(scheduled_for=start + 2 * HOUR).pk).retry()
    run_jobs(clock=clock)
    pass_hours(clock, 1)
    assert told[-1][2] == start + HOUR

    fails_at.clear()
    again.refresh().retry()
    run_jobs(clock=clock)
    pass_hours(clock, 1)

    assert told[-1][2] == start + 2 * HOUR


def test_the_latest_success_before_is_told_over_failures_and_those_that_retries_by_hand_have_mended(
    clock: ManualClock,
) -> None:
    start = clock.now()
    hourly(clock)
    fails_at.update({start + 2 * HOUR, start + 3 * HOUR})
    pass_hours(clock, 4)
    assert [previous for *_, previous in told] == [None, *[start + HOUR] * 3]

    fails_at.clear()
    get(FinishedJob.objects.get(scheduled_for=start + 3 * HOUR).pk).retry()
    run_jobs(clock=clock)
    failed = FinishedJob.objects.get(scheduled_for=start + 4 * HOUR)
    FinishedJob.objects.filter(pk=failed.pk).update(state="failed")
    pass_hours(clock, 1)

    assert told[-1][2] == start + 3 * HOUR


@pytest.mark.only_on("postgresql")
def test_the_latest_success_before_is_told_over_more_failures_than_a_statement_has_parameters(
    clock: ManualClock,
) -> None:
    start = clock.now()
    hourly(clock)
    fails_at.add(start + 2 * HOUR)
    pass_hours(clock, 2)
    add_failures_like(FinishedJob.objects.get(state="failed"), 66_000)
    api.get("hourly").run_now()

    with another_session() as using:
        answer = previous_success(claim_one()._replace(scheduled_for=start + 3 * HOUR), using)

    assert answer == start + HOUR


def add_failures_like(job: FinishedJob, count: int) -> None:
    """By one statement. They have ids below zero, which no job has."""
    columns = [str(field.column) for field in FinishedJob._meta.concrete_fields if not field.primary_key]
    table, others = FinishedJob._meta.db_table, ", ".join(map(connection.ops.quote_name, columns))
    copies = f"SELECT -n, {others} FROM {table}, generate_series(1, %s) AS n WHERE id = %s"
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} (id, {others}) {copies}", [count, job.pk])


def test_history_may_forget_the_latest_success(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    pass_hours(clock, 2)

    assert sum(queue.prune(ALIAS, clock.now() + 100 * HOUR)) == 2
    assert Schedule.objects.get().forgotten_success == start + 2 * HOUR
    pass_hours(clock, 1)

    assert told[-1][2] == start + 2 * HOUR


def test_a_success_is_remembered_though_an_earlier_instant_was_filled_in_after_it(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    pass_hours(clock, 2)
    FinishedJob.objects.filter(scheduled_for=start + HOUR).update(finished_at=clock.now() + HOUR)

    assert sum(queue.prune(ALIAS, clock.now() + HOUR)) == 1
    assert remembered()[1] == start + 2 * HOUR
    pass_hours(clock, 1)

    assert told[-1][2] == start + 2 * HOUR


def test_a_success_that_is_not_kept_is_remembered_when_it_goes_with_the_next_upkeep(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock, tell_and_keep_no_success)
    fails_at.add(start + 3 * HOUR)

    for _ in range(4):
        pass_hours(clock, 1)
        sum(queue.Retention().prune(ALIAS, clock.now() + timedelta(seconds=1)))
        assert not FinishedJob.objects.filter(state="succeeded").exists()

    assert spans() == hours_from(start, 0, 1, 2, 3, 4)
    assert [previous for *_, previous in told] == [None, start + HOUR, start + 2 * HOUR, start + 2 * HOUR]
    assert Schedule.objects.get().forgotten_success == start + 4 * HOUR
    assert FinishedJob.objects.values_list("state", "scheduled_for").get() == ("failed", start + 3 * HOUR)


def test_a_success_that_was_forgotten_may_be_later_than_those_that_stay(clock: ManualClock) -> None:
    start = clock.now()
    hourly(clock)
    pass_hours(clock, 2)
    later = FinishedJob.objects.filter(scheduled_for=start + 2 * HOUR)
    later.update(keep_until=database_now(ALIAS) - HOUR)

    assert sum(queue.Retention().prune(ALIAS, database_now(ALIAS))) == 1
    pass_hours(clock, 1)

    assert told[-1][2] == start + 2 * HOUR


@pytest.mark.parametrize("prune", [ledger.prune, queue.prune], ids=["ledger", "history"])
def test_what_is_older_than_what_stays_is_not_remembered(
    clock: ManualClock, prune: Callable[[str, datetime], Sequence[int]]
) -> None:
    hourly(clock)
    pass_hours(clock, 2)
    newest = Occurrence.objects.order_by("-scheduled_for").first()
    assert newest is not None
    now = clock.now() + 10 * HOUR
    Occurrence.objects.filter(pk=newest.pk).update(recorded_at=now + HOUR)
    FinishedJob.objects.filter(pk=newest.job_id or 0).update(finished_at=now + HOUR)

    assert sum(prune(ALIAS, now)) == 1

    assert remembered() == (None, None)


def test_a_worker_answers_its_tasks_too(crew: Crew) -> None:
    for task in (tell, tell_in_a_transaction, tell_in_async_code):
        api.schedule(task, name=task.task.name, repeat=3600)
    start = database_now(ALIAS).replace(microsecond=0) - HOUR
    Schedule.objects.update(
        anchor=start, created_at=start, settled_until=start, next_run_at=start + HOUR - timedelta(seconds=1)
    )
    clock = ManualClock(start + HOUR)
    materialize(ALIAS, clock.now(), due_schedules(ALIAS, clock.now(), 10))
    assert Job.objects.count() == 3

    crew.work_until_idle()

    assert FinishedJob.objects.filter(state=FinishedState.SUCCEEDED).count() == 3
    assert {*told} == {(start + HOUR, (start, start + HOUR), None)}  # what is atomic may have begun anew
