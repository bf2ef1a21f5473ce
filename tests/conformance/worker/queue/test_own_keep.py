"""A task says how long the records of its jobs stay: for a while, or not at all, by how they end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from schedules.declarations.background import declare_task
from schedules.testing import isolated_registry, run_jobs
from tests.conformance.worker.dialects.statements import sent
from tests.conformance.worker.process.workers import Crew
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    ack,
    another_session,
    claim,
    claim_one,
    claimed_by_the_dead,
    ended,
    enqueue,
    error,
    in_history,
    living_worker,
    new,
    state_of,
    strike_off,
)
from worker import api, queue, signals
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobReport
from worker.outcomes import Cancelled, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.queue import recording

pytestmark = pytest.mark.usefixtures("database")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ENDS: dict[str, Callable[[], Outcome]] = {
    "succeeded": Succeeded,
    "failed": lambda: Failed(error()),
    "cancelled": lambda: Cancelled("enough"),
    "missed": lambda: Missed("too late"),
}


@pytest.fixture(autouse=True)
def _own_declarations() -> Iterator[None]:
    with isolated_registry(empty=True):
        yield


def says(**seconds: float) -> str:
    """The options of a job that says it of these outcomes."""
    return json.dumps({"keep": [seconds.get(outcome) for outcome in ENDS]})


NOT_AT_ALL = says(**dict.fromkeys(ENDS, 0))


def do_nothing() -> None: ...


def fail() -> None:
    raise LookupError("nothing there")


# How it ends


@pytest.mark.parametrize("outcome", ENDS)
def test_nothing_is_left_of_a_job_whose_task_says_so(outcome: str) -> None:
    id = enqueue(task_options=says(**{outcome: 0}))

    assert ack(claim_one(), ENDS[outcome]())

    assert state_of(id) is None


@pytest.mark.parametrize("outcome", ENDS)
def test_the_other_outcomes_are_kept_as_the_settings_say(outcome: str) -> None:
    id = enqueue(task_options=says(**{each: 0 for each in ENDS if each != outcome}))

    assert ack(claim_one(), ENDS[outcome]())

    assert FinishedJob.objects.values_list("pk", "state", "keep_until").get() == (id, outcome, None)


@pytest.mark.parametrize("outcome", ENDS)
def test_a_record_stays_for_as_long_as_its_task_says_of_that_outcome(outcome: str) -> None:
    for seconds in (None, 7, 3600):
        enqueue(task_options=None if seconds is None else says(**{outcome: seconds}))

    queue.ack(ALIAS, [ended(job, ENDS[outcome]()) for job in claim()])

    kept = [row.keep_until and row.keep_until - row.finished_at for row in FinishedJob.objects.order_by("pk")]
    assert kept == [None, timedelta(seconds=7), HOUR]


def test_attempts_and_pauses_in_between_leave_no_row() -> None:
    id = enqueue(task_options=NOT_AT_ALL)
    for outcome in (Retry(error(), 0), Snoozed(0)):
        assert ack(claim_one(), outcome)
        assert state_of(id) == "ready"
        assert not FinishedJob.objects.exists()

    ack(claim_one(), Succeeded())

    assert state_of(id) is None


def test_in_one_batch_each_job_goes_where_its_task_says() -> None:
    plain, gone, kept, put_back, failed = (
        enqueue(task_options=options)
        for options in (None, NOT_AT_ALL, says(succeeded=60), NOT_AT_ALL, says(succeeded=0, failed=60))
    )
    outcomes: dict[int, Outcome] = {put_back: Retry(error(), 60), failed: Failed(error())}
    runs = [ended(job, outcomes.get(job.id, Succeeded())) for job in claim()]

    assert queue.ack(ALIAS, runs, "host:1") == runs

    assert [state_of(id) for id in (plain, gone, kept, put_back, failed)] == [
        "succeeded",
        None,
        "succeeded",
        "scheduled",
        "failed",
    ]
    assert {row.pk for row in FinishedJob.objects.filter(keep_until__isnull=False)} == {kept, failed}
    assert set(FinishedJob.objects.values_list("worker", flat=True)) == {"host:1"}


@pytest.mark.parametrize("options", [NOT_AT_ALL, says(failed=0), says(failed=60, cancelled=0), says(cancelled=0)])
@pytest.mark.parametrize("asked", [True, False])
def test_who_was_asked_to_stop_is_cancelled_and_kept_as_that(options: str, asked: bool) -> None:
    enqueue(task_options=options)
    job = claim_one()
    if asked:
        queue.cancel([job.id], "not needed", ALIAS)
    what = ended(job, Failed(error()))

    (recorded,) = queue.ack(ALIAS, [what], "host:1")

    _, failed, cancelled, _ = json.loads(options)["keep"]
    assert recorded == (what.cancelled("not needed") if asked else what)
    seconds, state = (cancelled, "cancelled") if asked else (failed, "failed")
    assert state_of(job.id) == (None if seconds == 0 else state)
    until = None if not seconds else what.finished_at + timedelta(seconds=seconds)
    assert seconds == 0 or FinishedJob.objects.get().keep_until == until


def test_who_loses_a_job_deletes_nothing() -> None:
    id = enqueue(task_options=NOT_AT_ALL)
    (lost,) = claimed_by_the_dead()
    queue.rescue(ALIAS, 10)
    (held,) = claim(worker_id=living_worker())

    assert not ack(lost, Succeeded())
    assert not ack(lost, Failed(error()))
    assert state_of(id) == "running"

    assert ack(held, Succeeded())
    assert not ack(held, Succeeded())


def test_who_loses_a_job_that_has_failed_decides_nothing() -> None:
    id = enqueue(task_options=says(failed=0))
    (lost,) = claimed_by_the_dead()
    queue.rescue(ALIAS, 10)
    claim(worker_id=living_worker())

    assert not ack(lost, Failed(error()))
    assert state_of(id) == "running"


def test_a_job_that_ends_by_hand_or_with_its_workers_is_kept_as_its_task_says() -> None:
    cancelled, given_up = enqueue(task_options=says(cancelled=0)), enqueue(task_options=says(failed=0))
    others = [enqueue(task_options=says(failed=0)), enqueue(task_options=says(cancelled=0))]

    assert queue.cancel([cancelled, others[0]], "no", ALIAS).cancelled == [cancelled, others[0]]
    for _ in range(3):
        claimed_by_the_dead()
        queue.rescue(ALIAS, 10)

    assert [state_of(id) for id in (cancelled, given_up, *others)] == [None, None, "cancelled", "failed"]


def test_what_repeats_a_finished_job_by_hand_tells_what_came_of_it() -> None:
    failed = enqueue(task_options=says(succeeded=0))
    ack(claim_one(), Failed(error()))
    (again,) = queue.retry([failed], ALIAS)
    gone = enqueue(task_options=says(succeeded=0))

    queue.ack(ALIAS, [ended(job, Succeeded()) for job in claim()])

    assert (state_of(again), state_of(gone)) == ("succeeded", None)
    assert not queue.unretried(FinishedJob.objects.filter(pk=failed)).exists()


def test_what_a_job_has_told_of_itself_goes_with_it() -> None:
    gone, again, plain = (enqueue(task_options=options) for options in (NOT_AT_ALL, NOT_AT_ALL, None))
    Job.objects.filter(pk=again).update(retry_of=1)
    for id in (gone, again, plain):
        JobReport.objects.create(pk=id, log="once upon a time")

    queue.ack(ALIAS, [ended(job, Succeeded()) for job in claim()])

    assert set(JobReport.objects.values_list("pk", flat=True)) == {again, plain}


def test_a_job_whose_id_history_has_already_leaves_nothing_either() -> None:
    id = enqueue(task_options=NOT_AT_ALL)
    in_history(id)

    assert ack(claim_one(), Succeeded())

    assert not Job.objects.exists()
    assert FinishedJob.objects.values_list("task", flat=True).get() == "another.task"


def test_whoever_writes_with_an_outcome_writes_with_one_that_leaves_nothing() -> None:
    heard: list[int] = []
    hook = recording.Hook(Succeeded, lambda recorded, using: heard.extend(each.job.id for each in recorded))
    recording.in_the_recording_transaction.append(hook)
    try:
        id = enqueue(task_options=NOT_AT_ALL)
        ack(claim_one(), Succeeded())
    finally:
        recording.in_the_recording_transaction.remove(hook)

    assert heard == [id]


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize("options", [None, NOT_AT_ALL, says(succeeded=60)])
def test_a_batch_of_one_kind_is_recorded_by_one_statement(options: str | None) -> None:
    queue.enqueue_many([new(n, task_options=options) for n in range(3)], ALIAS)
    runs = [ended(job, Succeeded()) for job in claim()]

    with another_session() as using, sent(using) as statements:
        assert queue.ack(using, runs) == runs

    assert len(statements) == 1


# In a worker


def test_a_worker_leaves_nothing_of_such_tasks_and_tells_that_they_have_ended(crew: Crew) -> None:
    quiet = declare_task(do_nothing, "quiet", {"keep": None})
    plain = declare_task(do_nothing, "plain", {})
    ends: list[tuple[str, str]] = []

    def hear(sender: object, job: Any, outcome: Any, **_: Any) -> None:
        ends.append((job.task, type(outcome).__name__))

    signals.job_ended.connect(hear)
    try:
        for declared in (quiet, plain, quiet):
            declared()
        crew.work_until_idle()
    finally:
        signals.job_ended.disconnect(hear)

    assert sorted(ends) == [("plain", "Succeeded"), ("quiet", "Succeeded"), ("quiet", "Succeeded")]
    assert list(FinishedJob.objects.values_list("task", flat=True)) == ["plain"]
    assert not Job.objects.exists()


@pytest.mark.parametrize("seconds", [None, HOUR])
def test_an_atomic_run_leaves_what_its_task_says(crew: Crew, seconds: timedelta | None) -> None:
    quiet = declare_task(do_nothing, "quiet", {"keep": {"succeeded": seconds}, "atomic": True})
    JobReport.objects.create(pk=quiet().pk, log="of an earlier attempt")
    crew.work_until_idle()

    assert not Job.objects.exists()
    kept = [row.keep_until and row.keep_until - row.finished_at for row in FinishedJob.objects.all()]
    assert kept == ([] if seconds is None else [seconds])
    assert JobReport.objects.count() == len(kept)


def test_an_atomic_run_of_a_job_that_was_lost_deletes_nothing() -> None:
    enqueue(task_options=NOT_AT_ALL)
    worker = living_worker()
    (lost,) = claim(worker_id=worker)
    strike_off(worker)
    queue.rescue(ALIAS, 10)

    with another_session() as using, transaction.atomic(using=using):
        mark = queue.mark(using)
        assert not queue.ack_marked(using, ended(lost, Succeeded()), "host:1", mark)
        transaction.set_rollback(True, using=using)

    assert state_of(lost.id) == "ready"


def test_an_atomic_run_that_repeats_a_finished_job_is_kept() -> None:
    id = enqueue(task_options=NOT_AT_ALL)
    Job.objects.update(retry_of=1)
    (job,) = claim()

    with another_session() as using, transaction.atomic(using=using):
        mark = queue.mark(using)
        assert queue.ack_marked(using, ended(job, Succeeded()), "host:1", mark)

    assert state_of(id) == "succeeded"


# What users see


def test_who_asks_for_a_job_that_left_nothing_is_told_so() -> None:
    quiet = declare_task(do_nothing, "quiet", {"keep": None})
    job = api.get(quiet().pk)

    run_jobs()

    with pytest.raises(api.NoSuchJob, match="must be the id of a job that is in the queue or in history"):
        api.get(job.id)
    with pytest.raises(api.NoSuchJob, match="history does not have it: it was pruned, or is not kept"):
        job.wait(1)
    with pytest.raises(api.NoSuchJob, match="cannot be retried: history has no job of that id"):
        job.retry()
    assert job.cancel() is api.Cancellation.TOO_LATE


def test_who_cancels_a_job_that_leaves_nothing_is_told_that_it_is_cancelled() -> None:
    quiet = declare_task(do_nothing, "quiet", {"keep": None})
    job = api.get(quiet().pk)

    assert job.cancel() is api.Cancellation.CANCELLED
    quiet()
    assert api.cancel_all(task="quiet").done == 1
    assert not FinishedJob.objects.exists()


# Pruning


def test_a_record_goes_when_its_own_time_is_over_whatever_the_settings_say(settings: Any) -> None:
    settings.SCHEDULER = {"KEEP_FINISHED": 30 * DAY, "KEEP_FAILED": 90 * DAY}
    now = database_now(ALIAS)
    finished(now - 40 * DAY, 39)
    finished(now - 40 * DAY, 39, "failed")
    finished(now - 40 * DAY, None)
    long, young = finished(now - 40 * DAY, 41), finished(now - HOUR, 1)

    assert prune(now) == 3

    assert history() == {long, young}
    assert prune(now + 2 * DAY) == 2
    assert not history()


def test_records_that_stay_for_long_are_passed_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SCHEDULER = {"KEEP_FINISHED": 30 * DAY}
    monkeypatch.setattr("worker.queue.retention.PORTION", 10)
    now = database_now(ALIAS)
    stay = {finished(now - 40 * DAY, 400) for _ in range(25)}
    process = queue.Retention()
    assert prune(now, process) == 0
    finished(now - 31 * DAY, None)

    with sent(ALIAS) as statements:
        assert prune(now, process) == 1

    assert sum("finished_at" in each and "LIMIT 10" in each for each in statements) == 1
    assert history() == stay


@pytest.mark.only_on("postgresql", "sqlite")
def test_the_index_of_what_is_kept_for_a_time_has_no_other_rows() -> None:
    field = "indexdef" if connection.vendor == "postgresql" else "sql"
    table = "pg_indexes WHERE indexname" if connection.vendor == "postgresql" else "sqlite_master WHERE name"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {field} FROM {table} = 'worker_finished_keep'")
        (definition,) = cursor.fetchone()

    assert "IS NOT NULL" in definition


def finished(at: datetime, days: int | None, state: str = "succeeded") -> int:
    """Returns the id of a job that ended then, and is to stay for so many days."""
    enqueue(task_options=None if days is None else says(**{state: days * 86_400}))
    job = claim_one()
    outcome = ended(job, ENDS[state]())
    queue.ack(ALIAS, [outcome._replace(finished_at=at)])
    return job.id


def prune(now: datetime, process: queue.Retention | None = None) -> int:
    return sum((process or queue.Retention()).prune(ALIAS, now))


def history() -> set[int]:
    return set(FinishedJob.objects.values_list("pk", flat=True))
