"""The leader through time: changes of the clock, downtimes, slow jobs, edits and clocks that leap.

The real tick on real tables, at instants that these tests choose. What should have run is computed by brute force
(tests/schedules/recurrence/oracle.py), so nothing here trusts the product's own idea of time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules import changes
from schedules.declarations.sync import declarations
from schedules.leader.glance import Watch
from schedules.leader.lock import lock_on
from schedules.leader.term import HOLD_AFTER_LEAP, LONGEST_SILENCE, Term
from schedules.models import Kind, Leadership, Occurrence, Schedule
from schedules.planning import jittered
from schedules.planning.policies import CatchUp
from schedules.recurrence.zones import zone_version
from tests.conformance.model.virtual import ALIAS, VirtualClock, again, finish, ledger_of, start_jobs
from tests.schedules.recurrence import oracle
from tests.schedules.recurrence.moments import at, moment
from worker import queue, tasks, wakeup
from worker.models import FinishedJob, Job, JobState
from worker.outcomes import Failed, Missed, Outcome, Retry, Succeeded
from worker.running.execution import run
from worker.tasks import Task
from worker.values import ClaimedJob, Ended

WEEK = timedelta(days=7)
ALLOW: dict[str, Any] = {"catch_up": "all", "max_catch_up": 10_000, "overlap": "allow"}


@cache
def expected(expression: str, zone: str, start: datetime, end: datetime, **dst: str) -> tuple[datetime, ...]:
    return tuple(oracle.fires(expression, zone, start, end, **dst))


def account(schedule: Schedule, instants: Iterable[datetime]) -> dict[datetime, str]:
    """What became of each instant. Fails unless the lines speak of each exactly once, and of no other."""
    instants = sorted(instants)
    became: dict[datetime, str] = {}
    for line in Occurrence.objects.filter(schedule=schedule.pk, kind=Kind.NOMINAL):
        first, last = line.scheduled_for, line.scheduled_until or line.scheduled_for
        spoken_of = [instant for instant in instants if first <= instant <= last]
        assert (spoken_of[0], spoken_of[-1], len(spoken_of)) == (first, last, line.count)
        assert not became.keys() & set(spoken_of)
        became |= dict.fromkeys(spoken_of, line.outcome)
    assert sorted(became) == instants
    return became


def with_outcome(became: dict[datetime, str], outcome: str) -> list[datetime]:
    return sorted(instant for instant, each in became.items() if each == outcome)


def instants_of_jobs(schedule: Schedule) -> list[datetime]:
    """For which instants there is or was a job, as often as there is one."""
    found: list[datetime] = []
    for model in (Job, FinishedJob):
        rows = model._default_manager.filter(schedule_id=schedule.pk)
        found += [instant for instant in rows.values_list("scheduled_for", flat=True) if instant]
    return sorted(found)


# A week with a change of the clock


LEAST_EVEN = "Australia/Lord_Howe"
"""Its clock changes by half an hour. A database keeps instants and knows no zone, so one zone is asked on each."""
OTHER_ZONES = [
    "Europe/Paris",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "Asia/Beirut",
    "Pacific/Chatham",
    "Antarctica/Troll",
    "Africa/Cairo",
    "Africa/Casablanca",
]
FIXED, WILDCARD, WILDCARD_HOURS = "10,40 0-3 * * *", "*/20 * * * *", "15 */2 * * *"
POLICIES = [(gap, overlap) for gap in ("run", "skip") for overlap in ("first", "second", "both")]


@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
@pytest.mark.parametrize("zone", [LEAST_EVEN, *(pytest.param(zone, marks=pytest.mark.once) for zone in OTHER_ZONES)])
def test_in_a_week_with_a_clock_change_exactly_the_right_instants_run(
    clock: VirtualClock, zone: str, back: bool
) -> None:
    start, end = week_with_a_change(zone, back)
    clock.set(start)
    fixed = {
        (gap, overlap): clock.declared(
            f"{gap} {overlap}", cron=FIXED, timezone=zone, dst_gap=gap, dst_overlap=overlap, **ALLOW
        )
        for gap, overlap in POLICIES
    }
    wildcards = {cron: clock.declared(cron, cron=cron, timezone=zone, **ALLOW) for cron in (WILDCARD, WILDCARD_HOURS)}

    while clock.now() < end:
        clock.set(min(end, clock.now() + timedelta(hours=7, minutes=13)))
        clock.tick()

    for cron, schedule in wildcards.items():
        assert_ran(schedule, expected(cron, zone, start, end))
    for (gap, overlap), schedule in fixed.items():
        right = expected(FIXED, zone, start, end, gap=gap, overlap=overlap)
        in_gap = set(expected(FIXED, zone, start, end, gap="run", overlap=overlap)) - set(right)
        assert_ran(schedule, right, skipped=in_gap)


def week_with_a_change(zone: str, back: bool) -> tuple[datetime, datetime]:
    """Around the first change in that direction from 2025 on."""
    there = oracle.zone_of(zone)

    def offset(instant: datetime) -> timedelta | None:
        return instant.astimezone(there).utcoffset()

    for change in oracle.changes(zone):
        before, after = offset(change - timedelta(seconds=1)), offset(change)
        assert before is not None
        assert after is not None
        if change.year >= 2025 and (after < before) == back:
            return change - WEEK / 2, change + WEEK / 2
    raise AssertionError(f"the clock of {zone} does not change like that")


def assert_ran(schedule: Schedule, right: Sequence[datetime], skipped: Iterable[datetime] = ()) -> None:
    became = account(schedule, {*right, *skipped})
    assert with_outcome(became, "enqueued") == list(right) == instants_of_jobs(schedule)
    assert with_outcome(became, "skipped_dst") == sorted(skipped)


def test_the_leader_that_sleeps_until_what_is_due_misses_nothing_through_a_clock_change(clock: VirtualClock) -> None:
    start, end = at("10-24 22:00"), at("10-25 06:00")
    clock.set(start)
    schedules = {
        cron: clock.declared(cron, cron=cron, timezone="Europe/Paris", overlap="allow")
        for cron in (FIXED, WILDCARD, WILDCARD_HOURS)
    }

    while (due := clock.tick()) is not None and due <= end:
        assert due > clock.now()
        clock.set(due)

    for cron, schedule in schedules.items():
        assert_ran(schedule, expected(cron, "Europe/Paris", start, end))


# Downtime


DOWNTIMES = {
    "a minute": timedelta(minutes=1),
    "a day": timedelta(days=1),
    "a year": timedelta(days=365),
}


@pytest.mark.parametrize("catch_up", list(CatchUp))
@pytest.mark.parametrize("downtime", DOWNTIMES.values(), ids=DOWNTIMES)
def test_after_a_downtime_every_instant_is_accounted_for_once(
    clock: VirtualClock, downtime: timedelta, catch_up: str
) -> None:
    start = clock.to("10:00:30")
    schedule = clock.declared(cron="*/5 * * * *", timezone="Europe/Paris", catch_up=catch_up, overlap="allow")
    clock.tick("10:05:30")
    clock.tick("10:09:30")

    clock.set(clock.now() + downtime)
    clock.tick()
    clock.tick()

    became = account(schedule, expected("*/5 * * * *", "Europe/Paris", start, clock.now()))
    overdue = sorted(became)[1:]
    in_time = [instant for instant in overdue[-1:] if clock.now() - instant <= timedelta(seconds=60)]
    by_policy = {"latest": overdue[-1:], "earliest": overdue[:1], "all": overdue[-100:], "none": in_time}
    assert with_outcome(became, "enqueued") == [at("10:05"), *by_policy[catch_up]] == instants_of_jobs(schedule)
    others = Counter(became.values()) - Counter(enqueued=len(became))
    assert set(others) <= {"missed" if catch_up in ("all", "none") else "coalesced"}


def test_what_is_too_late_for_catch_up_none_is_missed_to_the_last_instant(clock: VirtualClock) -> None:
    start = clock.to("10:00:30")
    schedule = clock.declared(cron="*/5 * * * *", catch_up="none", overlap="allow")

    clock.tick("07-02 10:01:01")

    became = account(schedule, expected("*/5 * * * *", "UTC", start, clock.now()))
    assert set(became.values()) == {"missed"}


# Slow jobs


@pytest.mark.parametrize(
    ("overlap", "enqueued", "skipped", "most_at_once"),
    [
        ("skip", [1, 4, 7], [2, 3, 5, 6, 8], 1),
        ("allow", [1, 2, 3, 4, 5, 6, 7, 8], [], 3),
        ("queue_one", [1, 2, 4, 7], [3, 5, 6, 8], 1),
        ("queue_all", [1, 2, 3, 4, 5, 6, 7, 8], [], 1),
    ],
)
def test_jobs_that_take_longer_than_the_period_meet_the_overlap_policy(
    clock: VirtualClock, overlap: str, enqueued: list[int], skipped: list[int], most_at_once: int
) -> None:
    """A run a minute, each of which takes two minutes and a half."""
    schedule = clock.declared(repeat=60, overlap=overlap)
    running: list[tuple[datetime, ClaimedJob]] = []
    started: list[datetime] = []
    at_once = 0

    while clock.now() < at("10:08:30"):
        clock.advance(30)
        finish([job for ends, job in running if ends <= clock.now()], clock.now())
        running = [(ends, job) for ends, job in running if ends > clock.now()]
        clock.tick()
        new = start_jobs()
        started += [job.run_at for job in new]
        running += [(clock.now() + timedelta(seconds=150), job) for job in new]
        at_once = max(at_once, len(running))

    became = account(schedule, [at(f"10:0{minute}") for minute in range(1, 9)])
    assert [instant.minute for instant in with_outcome(became, "enqueued")] == enqueued
    assert [instant.minute for instant in with_outcome(became, "skipped_overlap")] == skipped
    assert at_once == most_at_once
    assert started == sorted(started)


# Edits and pauses between ticks


CRONS = ["*/7 * * * *", "10,40 0-3 * * *", "0 */2 * * *", "30 2 * * *"]
EDIT_ZONES = ["UTC", "Europe/Paris", "Australia/Lord_Howe"]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["tick", "tick", "edit", "edit", "pause", "resume", "rename"]),
        st.sampled_from(CRONS),
        st.sampled_from(EDIT_ZONES),
    ),
    min_size=2,
    max_size=8,
)
numbers = count()


@settings(max_examples=25)
@given(STEPS)
def test_through_any_edits_and_pauses_no_instant_is_lost_and_none_runs_twice(
    clock: VirtualClock, steps: list[tuple[int, str, str, str]]
) -> None:
    clock.to("10-24 20:00")
    name, cron, zone, since = f"edited {next(numbers)}", CRONS[0], EDIT_ZONES[1], clock.now()
    schedule = clock.declared(name, cron=cron, timezone=zone, **ALLOW)
    right: list[datetime] = []

    for minutes, step, new_cron, new_zone in steps:
        clock.advance(60 * minutes)
        if step == "edit" and (new_cron, new_zone) != (cron, zone):
            right += expected(cron, zone, since, clock.now())
            cron, zone, since = new_cron, new_zone, clock.now()
            clock.declared(name, cron=cron, timezone=zone, **ALLOW)
        _take(clock, schedule, step)
    changes.resume(schedule, ALIAS, clock.now())
    clock.tick()

    became = account(schedule, [*right, *expected(cron, zone, since, clock.now())])
    assert with_outcome(became, "enqueued") == instants_of_jobs(schedule)
    assert set(became.values()) <= {"enqueued", "paused"}


def _take(clock: VirtualClock, schedule: Schedule, step: str) -> None:
    match step:
        case "tick":
            clock.tick()
        case "pause":
            changes.pause(schedule, ALIAS, clock.now(), reason="")
        case "resume":
            changes.resume(schedule, ALIAS, clock.now())
        case "rename":
            changes.edit(schedule, ALIAS, clock.now(), verbose_name=f"at {moment(clock.now())}")


# Clocks that leap


class WatchThroughTime(Watch):
    """The database's time is what the clock says; what is to be done then, the database says."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(ALIAS)
        self.clock = clock

    def now(self) -> datetime:
        return self.clock.now()

    def when_written(self) -> datetime:
        return self.clock.now()

    def glance(self) -> tuple[datetime, datetime | None]:
        return self.clock.now(), super().glance()[1]


@contextmanager
def term_through_time(clock: VirtualClock) -> Iterator[Term]:
    """A term that has begun. Its database's clock and its host's go on together, until somebody sets the database's."""
    term = Term(
        ALIAS, lock_on(ALIAS), "a leader", clock.now(), declarations(), watch=WatchThroughTime(clock), host=clock
    )
    assert term.lock.acquire()
    try:
        term.begin()
        yield term
    finally:
        term.lock.release()


def lead(term: Term, clock: VirtualClock, seconds: int) -> None:
    """A turn each second."""
    for _ in range(seconds):
        clock.advance(1)
        term.turn()


@pytest.fixture
def term(clock: VirtualClock) -> Iterator[Term]:
    with term_through_time(clock) as term:
        yield term


LEAPS = [timedelta(hours=1), timedelta(days=365), -timedelta(hours=1), -timedelta(days=365)]
leaps = pytest.mark.parametrize("leap", LEAPS, ids=str)


@leaps
def test_a_clock_that_leaps_and_is_set_right_again_leaves_no_trace(
    clock: VirtualClock, term: Term, leap: timedelta
) -> None:
    start = clock.now()
    schedule = clock.declared(repeat=60, overlap="allow")
    lead(term, clock, 60)

    clock.set(clock.now() + leap)
    lead(term, clock, 20)
    clock.set(clock.now() - leap)
    lead(term, clock, 100)

    assert_ran(schedule, [start + timedelta(minutes=minute) for minute in (1, 2, 3)])
    assert Leadership.objects.get().trouble == ""


@leaps
def test_after_a_leap_ticks_are_held_and_then_go_on(clock: VirtualClock, term: Term, leap: timedelta) -> None:
    schedule = clock.declared(repeat=60, overlap="allow")
    lead(term, clock, 60)
    ran = instants_of_jobs(schedule)

    clock.set(clock.now() + leap)
    lead(term, clock, 1)
    assert term.turn() == LONGEST_SILENCE
    lead(term, clock, int(HOLD_AFTER_LEAP) - 2)
    assert instants_of_jobs(schedule) == ran
    assert "leapt " in Leadership.objects.get().trouble

    lead(term, clock, 60)
    assert Leadership.objects.get().trouble == ""
    assert len(instants_of_jobs(schedule)) == len(ran) + (2 if leap > timedelta(0) else 0)


@leaps
def test_a_leap_that_is_taken_back_late_is_seen_and_mended_and_nothing_runs_twice(
    clock: VirtualClock, leap: timedelta
) -> None:
    start = clock.now()
    schedule = clock.declared(repeat=60, overlap="allow")
    clock.tick("10:01")
    clock.set(clock.now() + leap)
    clock.tick()
    finish(start_jobs(), clock.now())

    clock.set(clock.now() - leap)
    clock.advance(200)
    assert again(schedule).is_ahead(clock.now()) == (leap > timedelta(0))
    changes.repair(again(schedule), ALIAS, clock.now())
    clock.tick()
    clock.advance(60)
    clock.tick()

    assert not again(schedule).is_ahead(clock.now())
    became = account(schedule, [start + timedelta(minutes=minute) for minute in (1, 2, 3, 4, 5)])
    assert set(with_outcome(became, "enqueued")) == {
        instant for instant in instants_of_jobs(schedule) if instant <= clock.now()
    }
    assert max(Counter(instants_of_jobs(schedule)).values()) == 1


def test_jobs_that_a_leap_made_too_early_are_taken_back_unless_they_have_started(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=3600, overlap="allow", jitter=60)
    clock.to("2027-07-01 10:30")
    clock.tick()
    started = start_jobs()
    clock.to("2027-07-01 11:00")
    clock.tick()

    clock.to("10:30")
    changes.repair(again(schedule), ALIAS, clock.now())

    assert [job.id for job in started] == list(Job.objects.values_list("pk", flat=True))
    assert FinishedJob.objects.get().reason == "the clock that made it was set back"
    assert ledger_of(schedule) == []
    assert again(schedule).next_run_at == at("11:00")


def test_d9_a_term_begins_by_computing_anew_what_other_zone_data_made(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="30 2 * * *", timezone="Europe/Paris")
    Schedule.objects.update(next_run_at=at("07-02 17:17"), zone_version="1970a")

    with term_through_time(clock) as term:
        term.turn()

    assert again(schedule).next_run_at == expected("30 2 * * *", "Europe/Paris", clock.now(), clock.now() + WEEK)[0]


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What wakes the leader of this process."""
    topics: list[str] = []
    wakeup.ears.append(topics.append)
    yield topics
    wakeup.ears.remove(topics.append)


def planned_with_other_zone_data(schedule: Schedule, next_run_at: str) -> None:
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=at(next_run_at), zone_version="1970a")


def test_d9_a_tick_that_comes_by_a_plan_of_other_zone_data_decides_by_those_of_now(clock: VirtualClock) -> None:
    """A plan says when to look, and nothing of what is due then."""
    schedule = clock.declared(cron="30 2 * * *", timezone="Europe/Paris")
    right = schedule.next_run_at
    planned_with_other_zone_data(schedule, "10:30")

    clock.tick("11:00")

    assert (ledger_of(schedule), Job.objects.count()) == ([], 0)
    assert (again(schedule).next_run_at, again(schedule).zone_version) == (right, zone_version())


@pytest.mark.parametrize("another_is_due", [True, False])
def test_d9_what_is_due_by_the_zone_data_of_now_runs_in_the_second_turn_of_a_term_without_a_rest_before(
    clock: VirtualClock, heard: list[str], another_is_due: bool
) -> None:
    schedule = clock.declared(cron="0 * * * *")
    if another_is_due:
        clock.declared("another", run_at=at("11:00"))
    clock.to("11:00")
    planned_with_other_zone_data(schedule, "07-02 17:17")

    with term_through_time(clock) as term:
        heard.clear()
        assert term.turn() == 0 or wakeup.LATER in heard
        term.turn()

    assert ledger_of(schedule) == ["11:00 enqueued"]


# Why did it not run?


def test_of_any_instant_one_look_up_tells_why_it_did_not_run(clock: VirtualClock) -> None:
    start = clock.now()
    schedule = clock.declared(cron="0 * * * *", exclude=[at("07-02 00:00").date()], start_deadline=1800)
    clock.tick("11:00")
    start_jobs()
    clock.tick("12:00")
    changes.pause(schedule, ALIAS, clock.now(), reason="holiday", by="bob")
    clock.to("15:30")
    changes.resume(schedule, ALIAS, clock.now())
    clock.tick("20:45")
    clock.tick("07-03 01:10")

    right = expected("0 * * * *", "UTC", start, clock.now())
    told = {moment(instant): why(schedule, instant) for instant in right}

    assert told["11:00"] == "enqueued"
    assert told["12:00"] == "skipped_overlap: the run before it was unfinished"
    assert told["14:00"] == "paused: paused: holiday"
    assert told["18:00"].startswith("coalesced: one run for all that were overdue")
    assert told["20:00"] == "missed: not started within 1800 s"
    assert told["07-02 12:00"] == "excluded: its date is excluded"
    assert told["07-03 01:00"] == "skipped_overlap: the run before it was unfinished"
    assert all(told.values())


def why(schedule: Schedule, instant: datetime) -> str:
    """The newest line that begins by then, which is found by the index of its unique constraint."""
    lines = Occurrence.objects.filter(schedule=schedule.pk, kind=Kind.NOMINAL, scheduled_for__lte=instant)
    line = lines.latest("scheduled_for")
    assert instant <= (line.scheduled_until or line.scheduled_for)
    return f"{line.outcome}: {line.reason}" if line.reason else line.outcome


# From the tick to the worker and back


def fail(*args: Any) -> None:
    raise ConnectionError("the other side is away")


FAIL = tasks.register(Task(fail, "fail", backoff=[40.0], max_attempts=9))
FAIL_FOR_LONG = tasks.register(Task(fail, "fail for long", backoff=[36_000.0], max_attempts=9))


def run_jobs(clock: VirtualClock) -> list[Outcome]:
    """Claim all that is ready, run it as a worker does, and record what came of it. Gives the outcomes."""
    ended = [Ended(job, run(job, lambda: clock.now()), clock.now(), clock.now()) for job in start_jobs()]
    assert queue.ack(ALIAS, ended) == ended
    return [each.outcome for each in ended]


def test_m6_a_job_that_no_worker_starts_in_time_is_missed_in_the_ledger_and_frees_its_schedule(
    clock: VirtualClock,
) -> None:
    schedule = clock.declared(repeat=60, start_deadline=20)
    clock.tick("10:01")

    clock.to("10:01:21")
    assert [type(outcome) for outcome in run_jobs(clock)] == [Missed]
    clock.tick("10:02")
    clock.to("10:02:20")
    run_jobs(clock)

    assert ledger_of(schedule) == ["10:01 missed", "10:02 enqueued"]
    assert Occurrence.objects.get(outcome="missed").reason == "its job was not started before its deadline"
    assert list(FinishedJob.objects.order_by("pk").values_list("state", flat=True)) == ["missed", "succeeded"]


@pytest.mark.parametrize(
    ("starts_at", "outcome", "ledger"),
    [
        ("10:01:05", Retry, ["10:01 enqueued", "10:02 skipped_overlap"]),
        ("10:01:25", Failed, ["10:01 enqueued", "10:02 enqueued"]),
    ],
)
def test_o2_a_retry_that_would_come_after_the_next_run_is_not_made(
    clock: VirtualClock, starts_at: str, outcome: type, ledger: list[str]
) -> None:
    schedule = clock.declared(repeat=60)
    Schedule.objects.update(task=FAIL.name, max_attempts=FAIL.attempts_allowed)
    clock.tick("10:01")

    clock.to(starts_at)
    assert [type(each) for each in run_jobs(clock)] == [outcome]
    clock.tick("10:02")

    assert ledger_of(schedule) == ledger


ASKED_FOR: dict[str, Callable[[Schedule, datetime], object]] = {
    "run now": lambda schedule, now: changes.run_now(schedule, ALIAS, now),
    "backfill, one by one": lambda schedule, now: changes.backfill(schedule, ALIAS, now, at("10:02"), at("10:04")),
    "backfill, all at once": lambda schedule, now: changes.backfill(
        schedule, ALIAS, now, at("10:02"), at("10:04"), overlap="allow"
    ),
}


@pytest.mark.parametrize("ask", ASKED_FOR.values(), ids=ASKED_FOR)
def test_o2_a_failed_run_that_somebody_asked_for_does_not_silence_its_schedule(
    clock: VirtualClock, ask: Callable[[Schedule, datetime], object]
) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:05")
    finish(start_jobs(), clock.now())
    Schedule.objects.update(task=FAIL_FOR_LONG.name, max_attempts=FAIL_FOR_LONG.attempts_allowed)

    ask(schedule, clock.now())
    clock.to("10:05:10")
    outcomes = run_all(clock)
    clock.tick("10:06")

    assert outcomes
    assert {type(each) for each in outcomes} == {Failed}
    assert ledger_of(schedule)[-1] == "10:06 enqueued"


@pytest.mark.parametrize("ask", ASKED_FOR.values(), ids=ASKED_FOR)
def test_o2_a_run_that_somebody_asked_for_is_retried_before_the_next_and_past_it_where_the_schedule_says_so(
    clock: VirtualClock, ask: Callable[[Schedule, datetime], object]
) -> None:
    limited = clock.declared("limited", repeat=60)
    unlimited = clock.declared("unlimited", repeat=60, retry_past_next=True)
    clock.tick("10:05")
    clock.to("10:05:10")

    for schedule in (limited, unlimited):
        ask(schedule, clock.now())

    of_today = Job.objects.exclude(scheduled_for=at("10:05"))
    assert set(of_today.values_list("schedule_id", "retry_before")) == {(limited.pk, at("10:06")), (unlimited.pk, None)}


def test_o2_a_failed_run_of_a_paused_schedule_does_not_silence_it_when_the_pause_is_over(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    Schedule.objects.update(task=FAIL_FOR_LONG.name, max_attempts=FAIL_FOR_LONG.attempts_allowed)
    changes.pause(schedule, ALIAS, clock.now(), reason="a look at it")
    clock.to("10:30:10")

    changes.run_now(schedule, ALIAS, clock.now())
    run_all(clock)
    changes.resume(schedule, ALIAS, clock.now())
    clock.tick("10:31")

    assert ledger_of(schedule)[-1] == "10:31 enqueued"


def test_m6_a_run_by_hand_that_no_worker_starts_in_time_is_missed_and_one_of_the_past_never_is(
    clock: VirtualClock,
) -> None:
    schedule = clock.declared(repeat=60, start_deadline=20, overlap="allow")
    clock.tick("10:05")
    finish(start_jobs(), clock.now())
    changes.run_now(schedule, ALIAS, clock.now())
    changes.backfill(schedule, ALIAS, clock.now(), at("10:03"), at("10:03"))

    clock.to("10:05:21")
    assert {type(each) for each in run_all(clock)} == {Missed, Succeeded}

    assert ledger_of(schedule, Kind.MANUAL) == ["10:05 missed"]
    assert "10:03 backfilled" in ledger_of(schedule)


def run_all(clock: VirtualClock) -> list[Outcome]:
    """As `run_jobs`, one after the other, as long as anybody's turn comes."""
    outcomes: list[Outcome] = []
    while queue.promote(ALIAS, clock.now()) or Job.objects.filter(state=JobState.READY).exists():
        outcomes += run_jobs(clock)
    return outcomes


def test_j1_a_leader_that_comes_an_hour_late_draws_the_same_jitter(clock: VirtualClock) -> None:
    names = [f"jittered {number}" for number in range(20)]
    for name in names:
        clock.declared(name, cron="0 * * * *", jitter=1800, overlap="allow")

    clock.tick("11:00")
    clock.tick("12:59")

    for schedule in Schedule.objects.all():
        runs = Job.objects.filter(schedule_id=schedule.pk).order_by("scheduled_for").values_list("run_at", flat=True)
        nominal = (at("11:00"), at("12:00"))
        assert list(runs) == [jittered(schedule.recurrence, 1800, each, schedule.name) for each in nominal]
