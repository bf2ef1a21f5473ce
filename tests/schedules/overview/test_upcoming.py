"""The read model on real tables: what runs next, how the last run ended, what needs attention."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from schedules import changes
from schedules.models import Leadership, Schedule, Source
from schedules.overview import overview
from schedules.overview.past_runs import history
from schedules.overview.values import Overview, Upcoming
from tests.conformance.model.virtual import ALIAS, VirtualClock, finish, start_jobs
from tests.schedules.recurrence.moments import at, moment
from worker import queue
from worker.models import Job, JobState, WorkerProcess
from worker.outcomes import Cancelled, Error, Failed, Missed, Outcome, Retry
from worker.values import Ended, NewJob


def seen(clock: VirtualClock, runs: int = 3) -> Overview:
    return overview(ALIAS, clock.now(), runs)


def only(clock: VirtualClock, runs: int = 3) -> Upcoming:
    (schedule,) = seen(clock, runs).schedules
    return schedule


def next_runs(clock: VirtualClock, runs: int = 3) -> list[str]:
    return [moment(run.at) for run in only(clock, runs).next_runs]


def codes(clock: VirtualClock) -> list[tuple[str, str | None]]:
    return [(problem.code, problem.schedule or problem.queue) for problem in seen(clock).problems]


def lead(clock: VirtualClock, **columns: Any) -> None:
    """Somebody leads, and has just given a sign of life."""
    given = {"leader": "web-1:7", "lock": "session", "started_at": clock.now(), "renewed_at": clock.now(), **columns}
    Leadership.objects.create(**given)


def work(clock: VirtualClock, *queues: str) -> None:
    """A worker is alive."""
    names = "\n".join(queues)
    WorkerProcess.objects.create(name="w:1", slots=1, queues=names, started_at=clock.now(), heartbeat_at=clock.now())


def end_jobs(clock: VirtualClock, outcome: Outcome, *, seconds: float = 2) -> None:
    """All that is ready starts now, and ends so many seconds later."""
    started_at = clock.now()
    jobs = start_jobs()
    clock.advance(seconds)
    queue.ack(ALIAS, [Ended(job, outcome, started_at, clock.now()) for job in jobs])


def error(clock: VirtualClock) -> Error:
    return Error(1, "TimeoutError", "upstream took too long", "Traceback …", clock.now())


# What runs next


def test_the_next_runs_are_those_of_the_recurrence(clock: VirtualClock) -> None:
    clock.declared(cron="*/20 * * * *")

    assert next_runs(clock) == ["10:20", "10:40", "11:00"]
    assert only(clock).next_run_at == Schedule.objects.get().next_run_at


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"starts_at": at("12:30")}, ["13:00", "14:00", "15:00"]),
        ({"repeat_until": at("12:00")}, ["11:00", "12:00"]),
        ({"max_runs": 2}, ["11:00", "12:00"]),
        ({"exclude": [date(2026, 7, 1)]}, ["07-02 00:00", "07-02 01:00", "07-02 02:00"]),
        ({"exclude": [date(2026, 7, 1)], "timezone": "Asia/Tokyo"}, ["15:00", "16:00", "17:00"]),
    ],
)
def test_the_next_runs_keep_to_the_limits_of_the_schedule(
    clock: VirtualClock, given: dict[str, Any], expected: list[str]
) -> None:
    clock.declared(cron="0 * * * *", **given)

    assert next_runs(clock) == expected


def test_runs_that_were_made_count_towards_max_runs(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *", max_runs=3)

    clock.tick("11:00")

    assert next_runs(clock) == ["12:00", "13:00"]


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ({}, ["13:00", "14:00", "15:00"]),
        ({"catch_up": "earliest"}, ["11:00", "14:00", "15:00"]),
        ({"catch_up": "all"}, ["11:00", "14:00"]),
        ({"catch_up": "all", "overlap": "allow"}, ["11:00", "12:00", "13:00", "14:00"]),
        ({"catch_up": "all", "overlap": "allow", "max_runs": 2}, ["11:00", "12:00"]),
        ({"catch_up": "none"}, ["14:00", "15:00", "16:00"]),
        ({"catch_up_window": 60}, ["14:00", "15:00", "16:00"]),
        ({"exclude": [date(2026, 7, 1)]}, ["07-02 00:00", "07-02 01:00"]),
    ],
)
def test_what_is_overdue_and_will_run_comes_first_as_the_next_tick_will_decide(
    clock: VirtualClock, policies: dict[str, Any], expected: list[str]
) -> None:
    schedule = clock.declared(cron="0 * * * *", **policies)
    clock.to("13:30")

    assert next_runs(clock, len(expected)) == expected
    assert only(clock).overdue_since == at("11:00")

    clock.tick()
    enqueued = [moment(job.scheduled_for) for job in Job.objects.filter(schedule_id=schedule.pk) if job.scheduled_for]
    assert sorted(enqueued) == [run for run in expected if run <= "13:30" and "-" not in run]


@pytest.mark.parametrize("catch_up", ["latest", "all"])
@pytest.mark.parametrize("overlap", ["skip", "queue_one", "queue_all", "allow"])
def test_of_what_is_overdue_behind_a_run_that_goes_on_what_is_shown_is_what_the_next_tick_enqueues(
    clock: VirtualClock, overlap: str, catch_up: str
) -> None:
    clock.declared(cron="0 * * * *", overlap=overlap, catch_up=catch_up)
    clock.tick("11:00")
    start_jobs()
    clock.to("14:30")

    shown = [run.at for run in only(clock, 10).next_runs if run.at <= clock.now()]
    clock.tick()

    enqueued = sorted(job.scheduled_for for job in Job.objects.all() if job.scheduled_for)
    assert shown == enqueued[1:]
    assert bool(shown) == (overlap != "skip")


@pytest.mark.parametrize("catch_up", ["latest", "earliest", "all", "none"])
@pytest.mark.parametrize("limits", [{}, {"max_runs": 2}, {"repeat_until": at("13:00")}, {"starts_at": at("12:30")}])
def test_after_a_pause_that_is_over_what_is_shown_is_what_the_next_ticks_run(
    clock: VirtualClock, catch_up: str, limits: dict[str, Any]
) -> None:
    schedule = clock.declared(cron="0 * * * *", overlap="allow", catch_up=catch_up, **limits)
    changes.pause(schedule, ALIAS, clock.now(), reason="vendor outage", until=at("11:30"))
    clock.to("14:30")  # and no leader lived meanwhile

    shown = [run.at for run in only(clock, 10).next_runs if run.at <= at("16:30")]
    for moment_of_tick in ("14:30", "15:00", "16:00"):
        clock.tick(moment_of_tick)

    assert shown == sorted(job.scheduled_for for job in Job.objects.all() if job.scheduled_for)


def test_a_paused_schedule_has_no_next_run_and_one_paused_until_runs_after_that(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="0 * * * *")

    changes.pause(schedule, ALIAS, clock.now(), reason="vendor outage", by="admin")
    paused = only(clock)
    changes.pause(schedule, ALIAS, clock.now(), reason="vendor outage", until=at("14:00"))

    assert (paused.status, paused.next_runs) == ("paused", ())
    assert paused.pause is not None
    assert (paused.pause.reason, paused.pause.by, paused.pause.since) == ("vendor outage", "admin", at("10:00"))
    assert next_runs(clock) == ["14:00", "15:00", "16:00"]


def test_broken_ended_and_retired_schedules_have_no_next_run_and_come_last(clock: VirtualClock) -> None:
    for name in ("retired", "ended", "paused", "broken", "active"):
        clock.declared(name, repeat=60, source=Source.SETTINGS)
    Schedule.objects.filter(name="retired").update(retired_at=clock.now(), next_run_at=None)
    clock.declared("ended", run_at=at("09:00"), source=Source.SETTINGS)
    Schedule.objects.filter(name="broken").update(broken="ValueError: no", next_run_at=None)
    changes.pause(Schedule.objects.get(name="paused"), ALIAS, clock.now(), reason="")

    schedules = seen(clock).schedules

    assert [(each.name, each.status) for each in schedules] == [
        (name, name) for name in ("active", "broken", "paused", "ended", "retired")
    ]
    assert [bool(each.next_runs) for each in schedules] == [True, False, False, False, False]


def test_a_row_that_cannot_be_read_is_shown_as_broken_beside_the_others(clock: VirtualClock) -> None:
    clock.declared("good", repeat=60)
    clock.declared("odd", cron="0 * * * *")
    Schedule.objects.filter(name="odd").update(timezone="Mars/Olympus")

    good, odd = seen(clock).schedules

    assert (good.name, good.status) == ("good", "active")
    assert (odd.status, odd.description) == ("broken", "0 * * * *")
    assert "Mars/Olympus" in odd.broken


def test_a_run_at_a_clock_change_says_so(clock: VirtualClock) -> None:
    clock.set(at("2026-03-28 12:00"))
    clock.declared(cron="30 2 * * *", timezone="Europe/Paris")

    first, second, _ = only(clock).next_runs

    assert first.note == "02:30 is skipped: runs as the clock moves forward"
    assert second.note is None


def test_what_is_declared_and_not_in_the_database_is_shown_as_sync_would_make_it(
    clock: VirtualClock, settings: Settings
) -> None:
    settings.SCHEDULES = {
        "poll": {"task": "manage:check", "repeat": 300},
        "off": {"task": "manage:check", "cron": "0 * * * *", "enabled": False},
    }

    poll, off = seen(clock).schedules

    assert (poll.id, poll.name, poll.status) == (None, "poll", "active")
    assert [moment(run.at) for run in poll.next_runs] == ["10:05", "10:10", "10:15"]
    assert (off.status, off.next_runs, off.pause is not None) == ("paused", (), True)
    assert ("not-synced", None) in codes(clock)


# How the last run ended


def test_the_last_run_is_the_one_that_finished_last_with_its_duration(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")
    assert only(clock).last_run is None

    clock.tick("11:00")
    finish(start_jobs(), clock.now())
    clock.tick("12:00")
    end_jobs(clock, Failed(error(clock)), seconds=2.5)

    last = only(clock).last_run
    assert last is not None
    assert (moment(last.at), last.outcome, last.duration) == ("12:00", "failed", 2.5)
    assert last.reason == "TimeoutError: upstream took too long"


def test_a_run_that_goes_on_is_the_last_one(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    finish(start_jobs(), clock.now())
    clock.tick("12:00")
    start_jobs()
    Job.objects.update(claimed_at=clock.now())
    clock.advance(90)

    last = only(clock).last_run

    assert last is not None
    assert (last.outcome, last.duration) == ("running", 90)


def test_a_run_that_is_to_be_tried_again_is_dated_by_its_failure(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    end_jobs(clock, Retry(error(clock), 3600.0))
    clock.advance(60)

    last = only(clock).last_run

    assert last is not None
    assert (moment(last.at), last.outcome) == ("11:00", "retrying")
    assert last.reason == "TimeoutError: upstream took too long"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda clock: Retry(error(clock), 60.0), "retrying"),
        (lambda clock: Cancelled("nothing to do"), "cancelled"),
        (lambda clock: Missed("too late"), "missed"),
    ],
)
def test_the_last_outcome_is_that_of_the_job(clock: VirtualClock, make: Any, expected: str) -> None:
    clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    end_jobs(clock, make(clock))

    last = only(clock).last_run

    assert last is not None
    assert last.outcome == expected


def test_where_nothing_ran_the_ledger_tells_what_became_of_the_last_instant(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *", catch_up_window=60)

    clock.tick("11:30")

    last = only(clock).last_run
    assert last is not None
    assert (moment(last.at), last.outcome, last.reason) == ("11:00", "missed", "overdue by more than 60 s")


def test_the_history_joins_the_ledger_with_what_became_of_the_jobs(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    end_jobs(clock, Failed(error(clock)))
    clock.tick("15:00")
    changes.run_now(schedule, ALIAS, clock.now(), by="admin")

    lines = history(ALIAS, schedule.pk, at("15:01"))

    assert [(moment(line.scheduled_for), line.kind, line.outcome, line.count) for line in lines] == [
        ("15:00", "manual", "ready", 1),
        ("15:00", "nominal", "ready", 1),
        ("12:00", "nominal", "coalesced", 3),
        ("11:00", "nominal", "failed", 1),
    ]
    assert lines[-1].reason == "TimeoutError: upstream took too long"
    assert lines[-1].duration == 2


# Delayed jobs


def test_delayed_jobs_come_in_the_order_of_their_time(clock: VirtualClock) -> None:
    for minutes in (3, 1, 2):
        later = clock.now() + timedelta(minutes=minutes)
        job = NewJob("report", "[[],{}]", "default", 0, 1, JobState.SCHEDULED, run_at=later, verbose_name="Report")
        queue.enqueue(job, ALIAS)

    assert [moment(job.run_at) for job in seen(clock).jobs] == ["10:01", "10:02", "10:03"]


# What needs attention


def test_all_is_well_where_somebody_leads_and_nothing_is_late(clock: VirtualClock) -> None:
    clock.declared(repeat=60)
    lead(clock)

    found = seen(clock)

    assert found.problems == ()
    assert found.leader is not None
    assert found.leader.name == "web-1:7"


def test_no_leader_is_a_problem_once_a_schedule_needs_one(clock: VirtualClock) -> None:
    assert codes(clock) == []

    clock.declared(repeat=3600)
    never_led = seen(clock).problems
    lead(clock, ended_at=clock.now())
    clock.advance(130)
    led_once = seen(clock).problems

    assert [problem.code for problem in (*never_led, *led_once)] == ["no-leader", "no-leader"]
    assert "has ever led" in never_led[0].message
    assert "for 130 s, the last was web-1:7" in led_once[0].message


def test_a_leader_that_is_silent_counts_as_none(clock: VirtualClock) -> None:
    clock.declared(repeat=3600)
    lead(clock)

    clock.advance(60)

    assert codes(clock) == [("no-leader", None)]


def test_a_leader_in_trouble_is_told_in_its_words(clock: VirtualClock) -> None:
    clock.declared(repeat=60)
    lead(clock, trouble="The database's clock leapt ahead by 6m 40s.")

    (problem,) = seen(clock).problems

    assert problem.code == "leader-trouble"
    assert "leapt ahead by 6m 40s" in problem.message


def test_a_schedule_that_nobody_decides_on_is_late_after_a_minute(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")

    clock.to("11:01")
    lead(clock)
    assert codes(clock) == []
    clock.to("11:01:01")

    assert codes(clock) == [("late", "s")]


def test_a_schedule_whose_last_job_failed_is_failing_until_one_succeeds(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    end_jobs(clock, Failed(error(clock)))
    lead(clock)
    work(clock)

    assert codes(clock) == [("failing", "s")]
    clock.tick("12:00")
    finish(start_jobs(), clock.now())
    lead(clock)
    assert codes(clock) == []


def test_a_schedule_that_cannot_be_decided_on_is_broken(clock: VirtualClock) -> None:
    clock.declared(repeat=60)
    lead(clock)
    Schedule.objects.update(broken="ValueError: no", next_run_at=None)

    assert codes(clock) == [("broken", "s")]


def test_a_schedule_that_the_clock_was_set_back_under_is_told(clock: VirtualClock) -> None:
    clock.declared(repeat=60)
    clock.tick("10:30")
    finish(start_jobs(), clock.now())
    clock.to("10:02")
    lead(clock)

    assert codes(clock) == [("ahead", "s")]


def test_a_task_that_this_process_does_not_know_is_told_for_schedules_and_jobs(clock: VirtualClock) -> None:
    clock.declared(repeat=60)
    lead(clock)
    Schedule.objects.update(task="shop.tasks.gone")
    queue.enqueue(NewJob("shop.tasks.lost", "[[],{}]", "mail", 0, 1, JobState.SCHEDULED, delay=3600), ALIAS)

    assert codes(clock) == [("unknown-task", "s"), ("unknown-task", "mail")]
    assert all(each.message.endswith("No app in INSTALLED_APPS contains shop.tasks.") for each in seen(clock).problems)


def test_a_queue_with_ready_jobs_and_no_worker_is_told_at_once(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *", queue="slow")
    clock.tick("11:00")
    lead(clock)

    work(clock, "default", "mail")
    assert codes(clock) == [("no-worker", "slow")]
    assert seen(clock).problems[0].message.endswith('Those alive drain only "default", "mail".')
    work(clock, "slow")
    assert codes(clock) == []


def test_a_dead_worker_drains_no_queue(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    work(clock)

    clock.advance(30)
    lead(clock)

    assert codes(clock) == [("no-worker", "default")]
    assert seen(clock).problems[0].message.endswith("No worker is alive.")


def test_a_queue_whose_oldest_job_waits_for_more_than_a_minute_is_late(clock: VirtualClock) -> None:
    clock.declared(cron="0 * * * *")
    clock.tick("11:00")
    clock.to("11:02")
    lead(clock)
    work(clock)

    (problem,) = seen(clock).problems

    assert (problem.code, problem.queue) == ("late", "default")
    assert "1 job is due, for 120 s" in problem.message


def test_an_entry_of_the_settings_that_cannot_be_read_is_told(clock: VirtualClock, settings: Settings) -> None:
    settings.SCHEDULES = {"x": {"task": "manage:check", "cron": "75 * * * *"}}

    (problem,) = seen(clock).problems

    assert problem.code == "misdeclared"
    assert 'SCHEDULES["x"]: minute 75 is out of range' in problem.message


# Cost


def test_the_number_of_queries_does_not_grow_with_the_number_of_schedules(clock: VirtualClock) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            seen(clock)
        return len(captured)

    def fill(count: int) -> None:
        for _ in range(count):
            clock.declared(f"s{Schedule.objects.count()}", cron="0 * * * *")

    fill(2)
    clock.tick("11:00")
    finish(start_jobs(), clock.now())
    few = statements()
    fill(20)
    clock.tick("12:00")
    finish(start_jobs(), clock.now())

    assert statements() == few <= 18


def test_reading_changes_nothing(clock: VirtualClock) -> None:
    clock.declared(repeat=60)
    clock.tick("10:05")
    before = list(Schedule.objects.values())

    with CaptureQueriesContext(connection) as captured:
        seen(clock)

    assert list(Schedule.objects.values()) == before
    assert len(captured) > 5
    assert [query["sql"] for query in captured if re.match(r"\s*(INSERT|UPDATE|DELETE)", query["sql"])] == []
