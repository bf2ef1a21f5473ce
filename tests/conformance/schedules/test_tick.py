"""The tick on real tables: rules M, O, J, E, I5 as the ledger and the queue show them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from time import thread_time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules import changes, signals
from schedules.models import Occurrence, Schedule
from schedules.occurrences.materialize import ANYONE, Authority
from schedules.planning import jittered
from schedules.recurrence.zones import zone_version
from schedules.scheduler import replan_stale_zones
from schedules.testing import ManualClock
from tests.conformance.model.virtual import ALIAS, VirtualClock, again, finish, jobs_of, ledger_of, start_jobs
from tests.schedules.recurrence.moments import DAY, at, moment
from worker import queue
from worker.chores import Chores
from worker.models import Job, WorkerProcess

# What one tick does


def test_a_due_occurrence_becomes_one_job_and_one_line(clock: VirtualClock) -> None:
    schedule = clock.declared(
        repeat=60, args=["eu"], queue="mail", priority=7, verbose_name="Report", creator="shop.User:7"
    )

    clock.tick("10:01")

    (job,) = Job.objects.all()
    (line,) = Occurrence.objects.all()
    assert (line.schedule_id, line.outcome, line.job_id, line.scheduled_for) == (
        schedule.pk,
        "enqueued",
        job.pk,
        at("10:01"),
    )
    assert (job.task, job.args, job.queue, job.priority) == ("report", ["eu"], "mail", 7)
    assert (job.verbose_name, job.creator, job.schedule_id) == ("Report", "shop.User:7", schedule.pk)
    assert (job.scheduled_for, job.run_at, job.state) == (at("10:01"), at("10:01"), "ready")


def test_a_tick_tells_when_the_next_one_is_due(clock: VirtualClock) -> None:
    clock.declared("hourly", repeat=3600)
    clock.declared("minutely", repeat=60)

    assert clock.tick() == at("10:01")
    assert clock.tick("10:01:30") == at("10:02")


def test_a_delayed_job_is_promoted_and_tells_when_the_next_tick_is_due(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=3600, jitter=1800, name="jittered")

    due = clock.tick("11:00")

    assert due == Job.objects.get().run_at
    assert jobs_of(schedule) == ["11:00 scheduled"]
    clock.set(due)
    clock.tick()
    assert jobs_of(schedule) == ["11:00 ready"]


def test_nothing_is_due_before_its_time(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)

    clock.tick("10:00:59.999999")

    assert (jobs_of(schedule), ledger_of(schedule)) == ([], [])


def test_to_tick_twice_at_one_instant_changes_nothing(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)

    clock.tick("10:01")
    clock.tick()

    assert jobs_of(schedule) == ["10:01 ready"]
    assert ledger_of(schedule) == ["10:01 enqueued"]


def test_more_than_a_batch_is_settled_tick_after_tick_without_a_pause(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schedules.scheduler.BATCH", 7)
    schedules = [clock.declared(f"s{number}", repeat=60) for number in range(20)]

    tick_again_at = [clock.tick("10:01") for _ in range(3)]

    assert tick_again_at == [at("10:01"), at("10:01"), at("10:02")]
    assert all(ledger_of(schedule) == ["10:01 enqueued"] for schedule in schedules)
    assert Job.objects.count() == 20


def test_the_number_of_statements_does_not_grow_with_what_is_due(clock: VirtualClock) -> None:
    def statements(count: int) -> int:
        for number in range(count):
            clock.declared(f"{clock.now()}-{number}", repeat=60)
        with CaptureQueriesContext(connection) as captured:
            clock.advance(60)
            clock.tick()
        # One UPDATE a row travels in one executemany; whether it tells others depends on when it last did.
        uncounted = ("SET settled_until", "pg_notify")
        return len([query for query in captured if not any(each in query["sql"] for each in uncounted)])

    clock.chores = Chores(ManualClock(at("10:00")))  # for it no turn is too short: all chores are done in the first
    clock.tick()

    assert statements(20) == statements(2)


# Catching up


@pytest.mark.parametrize(
    ("catch_up", "jobs", "ledger"),
    [
        ("latest", ["10:05"], ["10:01–10:04 (4) coalesced", "10:05 enqueued"]),
        ("earliest", ["10:01"], ["10:01 enqueued", "10:02–10:05 (4) coalesced"]),
        ("none", ["10:05"], ["10:01–10:04 (4) missed", "10:05 enqueued"]),
        (
            "all",
            ["10:01", "10:02", "10:03", "10:04", "10:05"],
            ["10:01 enqueued", "10:02 enqueued", "10:03 enqueued", "10:04 enqueued", "10:05 enqueued"],
        ),
    ],
)
def test_m3_after_a_downtime_catch_up_decides(
    clock: VirtualClock, catch_up: str, jobs: list[str], ledger: list[str]
) -> None:
    schedule = clock.declared(repeat=60, catch_up=catch_up, overlap="allow")

    clock.tick("10:05")

    assert jobs_of(schedule) == [f"{each} ready" for each in jobs]
    assert ledger_of(schedule) == ledger


def test_m2_what_is_older_than_the_window_is_missed(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, catch_up_window=60, catch_up="all", overlap="allow")

    clock.tick("10:05")

    assert ledger_of(schedule) == ["10:01–10:03 (3) missed", "10:04 enqueued", "10:05 enqueued"]


def test_m4_a_new_schedule_never_fires_for_the_time_before_it_existed(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="* * * * *", catch_up="all", overlap="allow")

    clock.tick()
    assert ledger_of(schedule) == []
    clock.tick("10:01")
    assert ledger_of(schedule) == ["10:01 enqueued"]


def test_m4_a_clock_that_goes_back_fires_nothing_twice(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, overlap="allow")
    clock.tick("10:05")

    clock.tick("10:02")
    clock.tick("10:04")
    clock.tick("10:05:30")

    assert jobs_of(schedule) == ["10:05 ready"]
    assert again(schedule).settled_until == at("10:05")
    clock.tick("10:06")
    assert jobs_of(schedule) == ["10:05 ready", "10:06 ready"]


def test_m5_a_million_overdue_ticks_cost_no_more_than_a_few(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=1)
    clock.advance(1_000_000)
    began = thread_time()

    clock.tick()

    assert thread_time() - began < 5.0
    assert Job.objects.count() == 1
    coalesced, enqueued = Occurrence.objects.order_by("scheduled_for")
    assert (coalesced.outcome, coalesced.count) == ("coalesced", 999_999)
    assert (coalesced.scheduled_for, coalesced.scheduled_until) == (at("10:00:01"), clock.now() - timedelta(seconds=1))
    assert (enqueued.outcome, enqueued.scheduled_for) == ("enqueued", clock.now())
    assert again(schedule).settled_until == clock.now()


def test_m6_a_run_too_late_for_its_deadline_gets_no_job(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, start_deadline=10)

    clock.tick("10:01:11")

    assert jobs_of(schedule) == []
    assert ledger_of(schedule) == ["10:01 missed"]


# Overlap


def test_o1_skip_records_the_run_and_the_next_one_runs_when_the_job_is_done(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:01")
    running = start_jobs()

    clock.tick("10:02")
    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 skipped_overlap"]

    finish(running, clock.now())
    clock.tick("10:03")
    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 skipped_overlap", "10:03 enqueued"]


def test_o1_allow_lets_runs_overlap(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, overlap="allow")
    clock.tick("10:01")

    clock.tick("10:02")

    assert jobs_of(schedule) == ["10:01 ready", "10:02 ready"]


def test_o1_queue_one_lets_one_wait(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, overlap="queue_one")
    for time in ("10:01", "10:02", "10:03"):
        clock.tick(time)

    assert jobs_of(schedule) == ["10:01 ready", "10:02 waiting"]
    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 enqueued", "10:03 skipped_overlap"]


def test_o1_queue_all_runs_one_after_the_other_in_order(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, overlap="queue_all")
    for time in ("10:01", "10:02", "10:03"):
        clock.tick(time)
    order = []

    for _ in range(3):
        (running,) = start_jobs()
        order.append(moment(running.run_at))
        finish([running], clock.now())
        clock.tick()

    assert order == ["10:01", "10:02", "10:03"]
    assert jobs_of(schedule) == []


def test_o2_a_job_that_waits_for_a_retry_keeps_its_schedule_busy(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:01")
    Job.objects.update(state="scheduled", run_at=at("12:00"), attempts=1)

    clock.tick("10:02")

    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 skipped_overlap"]


def test_o2_a_rescued_job_frees_its_schedule(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:01")
    start_jobs()
    WorkerProcess.objects.all().delete()
    assert queue.rescue(ALIAS, 1000) == 1

    clock.tick("10:02")

    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 enqueued"]


def test_o2_a_job_knows_until_when_it_may_be_retried(clock: VirtualClock) -> None:
    clock.declared("limited", repeat=60)
    clock.declared("unlimited", repeat=60, retry_past_next=True)

    clock.tick("10:01:20")

    assert Job.objects.order_by("schedule_id").values_list("retry_before", flat=True)[0] == at("10:02")
    assert Job.objects.order_by("schedule_id").values_list("retry_before", flat=True)[1] is None


# Jitter


def test_j1_jitter_delays_the_job_and_keeps_the_nominal_instant(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=3600, jitter=600)
    expected = jittered(schedule.recurrence, 600, at("11:00"), schedule.name)

    clock.tick("11:00")

    job = Job.objects.get()
    assert at("11:00") < expected < at("11:10")
    assert (job.scheduled_for, job.run_at, job.state) == (at("11:00"), expected, "scheduled")
    assert ledger_of(schedule) == ["11:00 enqueued"]


def test_j1_a_failover_draws_the_same_jitter(clock: VirtualClock) -> None:
    clock.declared(repeat=3600, jitter=600, overlap="allow")
    clock.tick("11:00")
    drawn = Job.objects.get().run_at
    Job.objects.all().delete()
    Occurrence.objects.all().delete()
    Schedule.objects.update(settled_until=at("10:00"), next_run_at=at("11:00"))

    clock.tick("11:30")

    assert Job.objects.get().run_at == drawn


# Limits


def test_i5_repeat_until_is_never_overrun(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, repeat_until=at("10:02"), catch_up="all", overlap="allow")

    clock.tick("10:30")

    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 enqueued"]
    assert (again(schedule).next_run_at, again(schedule).status) == (None, "ended")


def test_i5_starts_at_is_awaited(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="* * * * *", starts_at=at("10:03"), catch_up="all", overlap="allow")

    assert schedule.next_run_at == at("10:03")
    clock.tick("10:04")
    assert ledger_of(schedule) == ["10:03 enqueued", "10:04 enqueued"]


def test_i5_max_runs_ends_a_schedule_after_so_many_jobs(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, max_runs=2, overlap="allow")

    for time in ("10:01", "10:02", "10:03"):
        clock.tick(time)

    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 enqueued"]
    assert (again(schedule).runs, again(schedule).status) == (2, "ended")


def test_i5_a_skipped_run_is_none_of_the_max_runs(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, max_runs=2)

    clock.tick("10:01")
    clock.tick("10:02")
    finish(start_jobs(), clock.now())
    clock.tick("10:03")

    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 skipped_overlap", "10:03 enqueued"]
    assert again(schedule).status == "ended"


def test_i1_neither_the_time_a_run_takes_nor_a_late_tick_shifts_the_grid(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, overlap="allow")

    for time in ("10:01:59", "10:02:01", "10:03:30"):
        clock.tick(time)

    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 enqueued", "10:03 enqueued"]


def test_repeat_1_runs_every_second(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=1, overlap="allow")

    for second in range(1, 11):
        clock.tick(f"10:00:{second:02}")

    assert jobs_of(schedule) == [f"10:00:{second:02} ready" for second in range(1, 11)]


def test_e3_an_excluded_date_is_recorded(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="0 12 * * *", exclude=[DAY], catch_up="all", overlap="allow")

    clock.tick("07-02 13:00")

    assert ledger_of(schedule) == ["12:00 excluded", "07-02 12:00 enqueued"]


def test_d10_what_the_clock_skips_is_recorded(clock: VirtualClock) -> None:
    clock.to("03-28 12:00")
    schedule = clock.declared(cron="30 2 * * *", timezone="Europe/Paris", dst_gap="skip", overlap="allow")

    clock.tick("03-29 12:00")
    clock.tick("03-30 12:00")

    assert ledger_of(schedule) == ["03-29 01:00 skipped_dst", "03-30 00:30 enqueued"]


def test_d9_the_next_run_is_computed_anew_when_the_zone_data_is_another(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="30 2 * * *", timezone="Europe/Paris")
    right = schedule.next_run_at
    Schedule.objects.update(next_run_at=at("07-02 17:17"), zone_version="1970a")

    list(replan_stale_zones(ALIAS, clock.now(), ANYONE))

    assert (again(schedule).next_run_at, again(schedule).zone_version) == (right, zone_version())


# No lock, no write


class Lost(Exception):
    """The lead was lost."""


def lose() -> None:
    raise Lost


@pytest.mark.parametrize(
    "state",
    [{}, {"repeat": "nonsense"}, {"paused_at": at("10:00"), "paused_until": at("10:00:30"), "next_run_at": None}],
    ids=["due", "broken", "at the end of its pause"],
)
def test_without_the_lead_a_tick_writes_nothing(clock: VirtualClock, state: dict[str, Any]) -> None:
    clock.declared(repeat=60)
    Schedule.objects.update(**state)
    before = Schedule.objects.values().get()

    with pytest.raises(Lost):
        clock.tick("10:01", Authority(1, lose))

    assert Schedule.objects.values().get() == before
    assert (Job.objects.count(), Occurrence.objects.count()) == (0, 0)


def test_without_the_lead_nothing_is_computed_anew(clock: VirtualClock) -> None:
    clock.declared(repeat=60)
    Schedule.objects.update(zone_version="1970a")

    with pytest.raises(Lost):
        list(replan_stale_zones(ALIAS, clock.now(), Authority(1, lose)))

    assert Schedule.objects.get().zone_version == "1970a"


# What is broken


@pytest.fixture
def broken() -> Iterator[list[str]]:
    """The names of the schedules that were told to be broken."""
    names: list[str] = []

    def note(name: str, **_: Any) -> None:
        names.append(name)

    signals.schedule_broken.connect(note)
    yield names
    signals.schedule_broken.disconnect(note)


@pytest.mark.parametrize(
    "damage",
    [
        {"cron": "75 1 * * *", "repeat": ""},
        {"timezone": "Mars/Olympus", "cron": "* * * * *", "repeat": ""},
        {"repeat": "every now and then"},
        {"catch_up": "newest"},
        {"exclude": "yesterday"},
        {"cron": "* * * * *"},
        {"max_runs": 0},
    ],
    ids=lambda damage: " ".join(damage),
)
def test_a_broken_schedule_is_marked_and_shown_and_the_rest_goes_on(
    clock: VirtualClock, broken: list[str], damage: dict[str, Any]
) -> None:
    good, bad, other = (clock.declared(name, repeat=60, overlap="allow") for name in ("good", "bad", "other"))
    Schedule.objects.filter(pk=bad.pk).update(**damage)

    clock.tick("10:01")
    clock.tick("10:02")

    assert ledger_of(good) == ledger_of(other) == ["10:01 enqueued", "10:02 enqueued"]
    assert jobs_of(bad) == []
    assert broken == ["bad"]
    assert (again(bad).status, again(bad).next_run_at) == ("broken", None)
    assert again(bad).broken


def test_a_schedule_that_cannot_be_written_is_broken_and_the_rest_of_its_batch_goes_on(
    clock: VirtualClock, broken: list[str]
) -> None:
    good, bad = clock.declared("good", repeat=60), clock.declared("bad", repeat=60)
    clock.tick("10:01")
    finish(start_jobs(), clock.now())
    Schedule.objects.filter(pk=bad.pk).update(settled_until=at("10:00"), next_run_at=at("10:01"))

    clock.tick("10:01:30")
    clock.tick("10:02")

    assert broken == ["bad"]
    assert ledger_of(bad) == ["10:01 enqueued"]
    assert Job.objects.filter(schedule_id=bad.pk).count() == 0
    assert ledger_of(good) == ["10:01 enqueued", "10:02 enqueued"]


def test_a_broken_schedule_goes_on_when_it_is_declared_rightly(clock: VirtualClock) -> None:
    bad = clock.declared(repeat=60)
    Schedule.objects.update(repeat="nonsense")
    clock.tick("10:01")

    clock.declared(repeat=60)
    clock.tick("10:02")

    assert again(bad).status == "active"
    assert "10:02 enqueued" in ledger_of(bad)


def test_the_end_of_a_pause_of_a_broken_schedule_stops_nothing(clock: VirtualClock, broken: list[str]) -> None:
    good, bad = clock.declared("good", repeat=60), clock.declared("bad", repeat=60)
    changes.pause(bad, ALIAS, clock.now(), reason="", until=at("10:00:30"))
    Schedule.objects.filter(pk=bad.pk).update(repeat="nonsense")

    clock.tick("10:01")

    assert ledger_of(good) == ["10:01 enqueued"]
    assert (again(bad).paused_at, again(bad).status) == (None, "broken")
    assert broken == ["bad"]


def test_new_zone_data_that_lacks_a_zone_stops_nothing(clock: VirtualClock, broken: list[str]) -> None:
    good, bad = clock.declared("good", cron="* * * * *"), clock.declared("bad", cron="* * * * *")
    Schedule.objects.filter(pk=bad.pk).update(timezone="Mars/Olympus")
    Schedule.objects.update(zone_version="1970a")

    list(replan_stale_zones(ALIAS, clock.now(), ANYONE))
    clock.tick("10:01")

    assert ledger_of(good) == ["10:01 enqueued"]
    assert (again(bad).status, broken) == ("broken", ["bad"])
