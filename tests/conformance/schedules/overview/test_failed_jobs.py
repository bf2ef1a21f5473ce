"""A job that has failed for good is told, until it is old, was retried, or may fail: whoever called it has gone on."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from schedules.models import Schedule
from schedules.overview import Selection, health, overview
from schedules.overview.problems import of_jobs, of_schedules
from schedules.overview.scope import Scope
from schedules.overview.selection import EVERYTHING
from schedules.overview.values import PastRun, Problem
from schedules.testing import isolated_registry
from tests.conformance.model.virtual import ALIAS, REPORT, VirtualClock
from tests.conformance.worker.dialects.test_plans import NOW, crowd, strays
from tests.conformance.worker.queue.jobs import ack, another_session, claim, enqueue, error
from tests.schedules.recurrence.moments import at
from worker import queue, tasks
from worker.clock import database_now
from worker.models import FinishedJob
from worker.outcomes import Cancelled, Failed, Succeeded
from worker.tasks import Task

pytestmark = pytest.mark.usefixtures("database")


def fail(task: str = "shop.mail", number: int = 1, **given: Any) -> list[int]:
    """So many jobs of that task fail for good, now. Returns their ids."""
    for n in range(number):
        enqueue(n, task=task, **given)
    jobs = claim()
    assert all(ack(job, Failed(error("no answer"))) for job in jobs)
    return [job.id for job in jobs]


def age(jobs: list[int], by: timedelta) -> None:
    FinishedJob.objects.filter(pk__in=jobs).update(finished_at=database_now(ALIAS) - by)


def found(selection: Selection = EVERYTHING) -> list[Problem]:
    return list(of_jobs.failed(Scope(ALIAS, database_now(ALIAS), selection)))


def told() -> dict[str | None, str]:
    """By task, the beginning of the sentence."""
    return {problem.task: problem.message.partition(" failed")[0] for problem in found()}


def test_jobs_that_failed_for_good_are_told_with_their_task_how_many_and_since_when() -> None:
    first, *_ = fail("shop.mail", 3)
    age([first], timedelta(hours=5))
    (pay,) = fail("shop.pay")

    mail, paid = found()

    since, last = (FinishedJob.objects.get(pk=id).finished_at for id in (first, pay))
    assert (mail.code, mail.task, paid.task) == ("failed-jobs", "shop.mail", "shop.pay")
    assert mail.message.startswith("3 jobs of shop.mail failed for good: the first at ")
    assert stamp(since) in mail.message
    assert paid.message.startswith(f"1 job of shop.pay failed for good at {stamp(last)}, ")


def stamp(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


def test_a_failed_job_is_in_the_check_the_object_and_the_doctor() -> None:
    fail()

    assert [problem.code for problem in health(ALIAS, database_now(ALIAS)).problems] == ["failed-jobs"]
    (problem,) = json.loads(output("list_schedule", "--json"))["problems"]
    assert (problem["code"], problem["task"]) == ("failed-jobs", "shop.mail")
    assert "failed-jobs: 1 job of shop.mail failed for good" in output("list_schedule", "--check")
    findings = json.loads(output("scheduler_doctor", "--json"))["findings"]
    (finding,) = [each for each in findings if each["code"] == "failed-jobs"]
    assert (finding["severity"], finding["facts"]) == ("warning", {"task": "shop.mail"})


def output(*command: str) -> str:
    out = StringIO()
    with suppress(SystemExit):
        call_command(*command, stdout=out)
    return out.getvalue()


def test_only_failures_are_told() -> None:
    for outcome in (Succeeded(), Cancelled("not wanted")):
        enqueue()
        (job,) = claim()
        assert ack(job, outcome)

    assert not found()


def test_a_failure_is_told_for_as_long_as_the_project_says(settings: Any) -> None:
    age(fail(), timedelta(hours=23))
    assert len(found()) == 1

    settings.SCHEDULER = {"FAILURES_WITHIN": timedelta(hours=1)}
    assert not found()


def test_so_many_failures_of_a_task_as_the_project_allows_are_not_told(settings: Any) -> None:
    settings.SCHEDULER = {"FAILURES_ALLOWED": 2}
    fail("shop.mail", 2)
    fail("shop.pay", 3)

    assert told() == {"shop.pay": "3 jobs of shop.pay"}


def test_a_failure_is_told_until_its_retry_has_ended() -> None:
    first, second = fail(number=2)

    queue.retry([first], ALIAS)
    assert told() == {"shop.mail": "2 jobs of shop.mail"}

    (again,) = claim()
    ack(again, Succeeded())
    assert told() == {"shop.mail": "1 job of shop.mail"}

    queue.retry([second], ALIAS)
    (again,) = claim()
    ack(again, Failed(error()))
    assert told() == {"shop.mail": "1 job of shop.mail"}


def test_a_task_may_fail_if_it_says_so() -> None:
    with isolated_registry():
        tasks.register(Task(print, "shop.poll", may_fail=True, formerly=["shop.ask"]))
        fail("shop.poll")
        fail("shop.ask")
        fail("shop.mail")

        assert told().keys() == {"shop.mail"}


def test_failures_are_looked_for_on_the_queue_that_is_asked_for() -> None:
    fail(queue="mail")

    assert found(Selection(queue="mail"))
    assert not found(Selection(queue="other"))


# Of schedules, the last run tells


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def run(clock: VirtualClock, time: str, state: str = "failed") -> Schedule:
    """A schedule runs then, and its job ends so."""
    clock.tick(time)
    (job,) = claim()
    ack(job, Succeeded())
    FinishedJob.objects.filter(pk=job.id).update(state=state, reason="ValueError: no", finished_at=clock.now())
    assert job.schedule_id is not None
    return Schedule.objects.get(pk=job.schedule_id)


def failing(clock: VirtualClock) -> list[str | None]:
    scope = Scope(ALIAS, clock.now())
    assert not list(of_jobs.failed(scope))
    return [problem.schedule for problem in of_schedules.failing(scope)]


def test_a_schedule_that_has_ended_with_a_failure_is_told_for_as_long_as_a_job_is(clock: VirtualClock) -> None:
    clock.declared("once", run_at=at("11:00"))
    run(clock, "11:00")

    assert failing(clock) == ["once"]

    clock.set(at("11:00") + timedelta(days=1, seconds=1))
    assert failing(clock) == []


def test_a_run_that_was_retried_by_hand_is_not_told(clock: VirtualClock) -> None:
    clock.declared("hourly", cron="0 * * * *")
    run(clock, "11:00")
    assert failing(clock) == ["hourly"]

    queue.retry([FinishedJob.objects.get().pk], ALIAS)
    (again,) = claim()
    ack(again, Succeeded())
    assert failing(clock) == []


def test_a_schedule_of_a_task_that_may_fail_is_not_told(clock: VirtualClock) -> None:
    clock.declared("hourly", cron="0 * * * *")
    row = run(clock, "11:00")

    with isolated_registry(empty=True):
        tasks.register(Task(print, row.task, may_fail=True))
        assert failing(clock) == []


def test_a_schedule_may_fail_if_it_says_so_itself_and_may_not_if_it_says_that(clock: VirtualClock) -> None:
    clock.declared("may", cron="0 * * * *", may_fail=True)
    run(clock, "11:00")
    assert failing(clock) == []

    clock.declared("may", cron="0 * * * *", may_fail=False)
    with isolated_registry(empty=True):
        tasks.register(Task(print, REPORT.name, may_fail=True))
        assert failing(clock) == ["may"]


# At any number of finished jobs


@pytest.mark.only_on("postgresql", "mysql", "sqlite")
def test_failed_jobs_are_looked_for_along_an_index() -> None:
    crowd()

    with another_session() as using:
        astray = strays(lambda using: list(of_jobs.failed(Scope(using, NOW))), using, "worker_finished_failed")

    assert not astray, connection.vendor


def test_a_success_that_is_not_kept_makes_good_for_the_failure_before_it(clock: VirtualClock) -> None:
    clock.declared("hourly", cron="0 * * * *")
    run(clock, "11:00")
    assert failing(clock) == ["hourly"]
    run(clock, "12:00", state="succeeded")
    FinishedJob.objects.filter(state="succeeded").update(keep_until=clock.now())

    assert sum(queue.Retention().prune(ALIAS, clock.now() + timedelta(seconds=1))) == 1

    assert failing(clock) == []
    assert last_run(clock) == PastRun(at("12:00"), "succeeded")
    run(clock, "13:00")
    assert failing(clock) == ["hourly"]
    last = last_run(clock)
    assert last is not None
    assert last.outcome == "failed"


def test_where_history_keeps_no_run_of_a_schedule_the_last_one_is_told_all_the_same(clock: VirtualClock) -> None:
    clock.declared("hourly", cron="0 * * * *")
    for hour in ("11:00", "12:00"):
        run(clock, hour, state="succeeded")
    FinishedJob.objects.update(keep_until=clock.now())

    assert sum(queue.Retention().prune(ALIAS, clock.now() + timedelta(seconds=1))) == 2

    assert last_run(clock) == PastRun(at("12:00"), "succeeded")


def last_run(clock: VirtualClock) -> PastRun | None:
    (row,) = overview(ALIAS, clock.now(), 1).schedules
    return row.last_run
