"""Which overdue occurrences run and which do not: rules M, O, J, I5 and E3, each by its name. No table, no clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import thread_time
from typing import Any

import pytest

from schedules.planning import Decisions, Plan, Standing, decide, explain, jittered, next_run
from schedules.planning.due import Ledgered
from schedules.planning.policies import CatchUp, InvalidPolicy, Overlap, Policies
from schedules.recurrence import Cron, Every, Once, Recurrence
from tests.schedules.recurrence.moments import at, explained, moment

EVERY_MINUTE = Every(60, at("09:00"))


def plan(
    policies: Policies = Policies(),  # noqa: B008  a frozen value
    *,
    recurrence: Recurrence = EVERY_MINUTE,
    cursor: str = "10:00",
    now: str = "10:05",
    timezone: str = "UTC",
    **standing: Any,
) -> Plan:
    """By default: a schedule of every minute, settled until 10:00, is looked at again at 10:05."""
    return decide(recurrence, policies, Standing(at(cursor), **standing), at(now), seed="s", timezone=timezone)


def runs(decided: Plan) -> list[str]:
    return [moment(run.scheduled_for) for run in decided.runs]


# Catching up (M1 to M6)


def test_m1_due_is_what_lies_after_the_cursor_and_up_to_now() -> None:
    decided = plan(Policies(catch_up="all", overlap="allow"), cursor="10:01", now="10:03")

    assert runs(decided) == ["10:02", "10:03"]
    assert not decided.not_run


def test_m1_nothing_is_due_between_two_occurrences() -> None:
    decided = plan(cursor="10:01", now="10:01:59.999999")

    assert (decided.runs, decided.not_run) == ((), ())
    assert decided.cursor == at("10:01")
    assert decided.next_run_at == at("10:02")


def test_m2_what_is_older_than_the_window_is_missed() -> None:
    decided = plan(Policies(catch_up="all", overlap="allow", catch_up_window=120))

    assert runs(decided) == ["10:03", "10:04", "10:05"]
    assert explained(decided.not_run) == ["10:01–10:02 (2) missed"]
    assert "more than 120 s" in decided.not_run[0].reason


def test_m2_a_window_of_zero_runs_only_what_is_due_this_very_instant() -> None:
    assert runs(plan(Policies(catch_up_window=0))) == ["10:05"]
    assert runs(plan(Policies(catch_up_window=0), now="10:05:01")) == []


@pytest.mark.parametrize(
    ("catch_up", "ran", "not_run"),
    [
        ("latest", ["10:05"], ["10:01–10:04 (4) coalesced"]),
        ("earliest", ["10:01"], ["10:02–10:05 (4) coalesced"]),
        ("all", ["10:01", "10:02", "10:03", "10:04", "10:05"], []),
        ("none", ["10:05"], ["10:01–10:04 (4) missed"]),
    ],
)
def test_m3_catch_up_chooses_among_the_overdue(catch_up: str, ran: list[str], not_run: list[str]) -> None:
    decided = plan(Policies(catch_up=catch_up, overlap="allow"))

    assert runs(decided) == ran
    assert explained(decided.not_run) == not_run


def test_m3_latest_is_the_default() -> None:
    assert plan() == plan(Policies(catch_up="latest"))


def test_m3_all_runs_the_newest_up_to_its_maximum_in_order() -> None:
    decided = plan(Policies(catch_up="all", max_catch_up=2, overlap="allow"))

    assert runs(decided) == ["10:04", "10:05"]
    assert explained(decided.not_run) == ["10:01–10:03 (3) missed"]


def test_m3_all_runs_a_hundred_at_most_unless_told() -> None:
    decided = plan(Policies(catch_up="all", overlap="allow"), cursor="10:00", now="13:00")

    assert len(decided.runs) == 100
    assert explained(decided.not_run) == ["10:01–11:20 (80) missed"]


@pytest.mark.parametrize(
    ("late_after", "now", "ran"),
    [(60, "10:05:59", ["10:05"]), (5, "10:05:05", ["10:05"]), (5, "10:05:06", []), (0, "10:05", ["10:05"])],
)
def test_m3_none_runs_only_what_is_hardly_late(late_after: int, now: str, ran: list[str]) -> None:
    decided = plan(Policies(catch_up="none", late_after=late_after), cursor="10:04", now=now)

    assert runs(decided) == ran
    assert explained(decided.not_run) == ([] if ran else ["10:05 missed"])


def test_m3_none_runs_one_that_is_sixty_seconds_late_and_no_later_one() -> None:
    hourly = Every(3600, at("09:00"))

    assert runs(plan(Policies(catch_up="none"), recurrence=hourly, now="11:01")) == ["11:00"]
    assert runs(plan(Policies(catch_up="none"), recurrence=hourly, now="11:01:00.000001")) == []


@pytest.mark.parametrize("catch_up", list(CatchUp))
@pytest.mark.parametrize("busy", [False, True])
def test_m4_the_cursor_moves_to_the_newest_due_whatever_ran(catch_up: str, busy: bool) -> None:
    decided = plan(Policies(catch_up=catch_up), busy=busy, now="10:05:30")

    assert decided.cursor == at("10:05")
    assert decided.next_run_at == at("10:06")


def test_m4_the_cursor_never_moves_backwards() -> None:
    decided = plan(cursor="10:05", now="09:00")

    assert decided.cursor == at("10:05")
    assert (decided.runs, decided.not_run) == ((), ())
    assert decided.next_run_at == at("10:06")


@pytest.mark.parametrize("catch_up", list(CatchUp))
def test_m5_a_million_overdue_ticks_cost_no_more_than_a_few(catch_up: str) -> None:
    every_second = Every(1, at("00:00"))
    million_later = at("00:00") + timedelta(seconds=1_000_000)
    began = thread_time()

    decided = decide(
        every_second, Policies(catch_up=catch_up, overlap="allow"), Standing(at("00:00")), million_later, seed="s"
    )

    assert thread_time() - began < 2.0
    assert len(decided.runs) + sum(each.count for each in decided.not_run) == 1_000_000
    assert len(decided.not_run) <= 2


def test_m5_years_of_a_cron_expression_cost_no_more_than_a_few() -> None:
    decade = Standing(datetime(2016, 1, 1, tzinfo=UTC))
    began = thread_time()

    decided = decide(Cron("*/5 * * * *", "Europe/Paris"), Policies(), decade, at("00:00"), seed="s")

    assert thread_time() - began < 2.0
    assert len(decided.runs) == 1
    assert decided.not_run[0].count > 1_000_000


def test_m6_what_cannot_start_before_its_deadline_is_missed() -> None:
    decided = plan(Policies(start_deadline=30), now="10:05:31")

    assert decided.runs == ()
    assert explained(decided.not_run) == ["10:01–10:04 (4) coalesced", "10:05 missed"]


def test_m6_a_run_carries_its_deadline_counted_from_its_jittered_start() -> None:
    (run,) = plan(Policies(start_deadline=30, jitter=59)).runs

    assert run.run_at > run.scheduled_for
    assert run.start_by == run.run_at + timedelta(seconds=30)


def test_m6_what_is_past_its_deadline_does_not_hold_back_what_is_not() -> None:
    decided = plan(Policies(catch_up="all", overlap="skip", start_deadline=60), now="10:05:30")

    assert runs(decided) == ["10:05"]
    assert explained(decided.not_run) == ["10:01 missed", "10:02 missed", "10:03 missed", "10:04 missed"]


# Overlap (O1 to O3)


@pytest.mark.parametrize(
    ("overlap", "ran", "waiting", "not_run"),
    [
        ("skip", [], [], ["10:05 skipped_overlap"]),
        ("allow", ["10:05"], [], []),
        ("queue_one", ["10:05"], ["10:05"], []),
        ("queue_all", ["10:05"], ["10:05"], []),
    ],
)
def test_o1_overlap_while_the_run_before_is_unfinished(
    overlap: str, ran: list[str], waiting: list[str], not_run: list[str]
) -> None:
    decided = plan(Policies(overlap=overlap), cursor="10:04", busy=True)

    assert runs(decided) == ran
    assert [moment(run.scheduled_for) for run in decided.runs if run.waits] == waiting
    assert explained(decided.not_run) == not_run


def test_o1_skip_is_the_default() -> None:
    assert Policies().overlap == Overlap.SKIP


def test_o1_queue_one_lets_one_wait_and_skips_the_next() -> None:
    decided = plan(Policies(overlap="queue_one"), cursor="10:04", busy=True, waiting=True)

    assert decided.runs == ()
    assert explained(decided.not_run) == ["10:05 skipped_overlap"]


@pytest.mark.parametrize(
    ("overlap", "ran", "waiting"),
    [
        ("skip", ["10:03"], []),
        ("allow", ["10:03", "10:04", "10:05"], []),
        ("queue_one", ["10:03", "10:04"], ["10:04"]),
        ("queue_all", ["10:03", "10:04", "10:05"], ["10:04", "10:05"]),
    ],
)
def test_o1_runs_caught_up_together_overlap_one_another(overlap: str, ran: list[str], waiting: list[str]) -> None:
    decided = plan(Policies(catch_up="all", overlap=overlap), cursor="10:02")

    assert runs(decided) == ran
    assert [moment(run.scheduled_for) for run in decided.runs if run.waits] == waiting
    assert len(decided.runs) + sum(each.count for each in decided.not_run) == 3


def test_o2_a_retry_ends_before_the_next_occurrence() -> None:
    assert plan(now="10:05:30").runs[0].retry_before == at("10:06")


def test_o2_the_retries_of_an_overdue_run_end_before_the_next_occurrence_to_come() -> None:
    assert plan(Policies(catch_up="earliest")).runs[0].retry_before == at("10:06")


def test_o2_retry_past_next_lifts_the_limit() -> None:
    assert plan(Policies(retry_past_next=True)).runs[0].retry_before is None


@pytest.mark.parametrize("last", [Policies(max_runs=1), Policies(repeat_until=at("10:05:59"))])
def test_o2_the_last_run_may_be_retried_without_limit(last: Policies) -> None:
    decided = plan(last, cursor="10:04")

    assert decided.next_run_at is None
    assert decided.runs[0].retry_before is None


def test_o3_cancel_running_is_refused_until_jobs_can_be_cancelled() -> None:
    with pytest.raises(InvalidPolicy, match=r'overlap="cancel_running" is not possible.*"skip"'):
        Policies(overlap="cancel_running")


# Jitter, rule J1


def test_j1_the_start_is_spread_by_less_than_the_jitter_and_always_by_the_same() -> None:
    policies = Policies(catch_up="all", overlap="allow", jitter=30)
    delays = [(run.run_at - run.scheduled_for).total_seconds() for run in plan(policies, now="10:40").runs]

    assert all(0 <= delay < 30 for delay in delays)
    assert len(set(delays)) > 5
    assert delays == [(run.run_at - run.scheduled_for).total_seconds() for run in plan(policies, now="10:40").runs]


def test_j1_the_jitter_does_not_depend_on_when_it_is_decided() -> None:
    on_time = plan(Policies(jitter=30), cursor="10:04", now="10:05").runs[0]
    late = plan(Policies(jitter=30), cursor="09:00", now="10:05:59").runs[0]

    assert on_time.run_at == late.run_at


def test_j1_the_jitter_ends_before_the_next_occurrence() -> None:
    starts = [jittered(EVERY_MINUTE, 86_400, at(f"10:{minute:02}"), "s") for minute in range(30)]

    assert all(at(f"10:{minute:02}") <= start < at(f"10:{minute + 1:02}") for minute, start in enumerate(starts))


def test_j1_two_schedules_of_one_time_start_apart() -> None:
    assert len({jittered(EVERY_MINUTE, 60, at("10:05"), f"schedule {number}") for number in range(20)}) > 10


def test_j1_the_last_occurrence_of_all_has_the_whole_jitter() -> None:
    once = Once(at("10:05"))
    starts = {jittered(once, 3600, at("10:05"), f"schedule {number}") for number in range(50)}

    assert max(starts) > at("10:35")
    assert max(starts) < at("11:05")


def test_j1_without_jitter_the_start_is_nominal() -> None:
    assert plan().runs[0].run_at == at("10:05")


# The limits of a schedule (I5)


def test_i5_nothing_after_repeat_until_is_an_occurrence() -> None:
    decided = plan(Policies(catch_up="all", overlap="allow", repeat_until=at("10:03")))

    assert runs(decided) == ["10:01", "10:02", "10:03"]
    assert decided.not_run == ()
    assert decided.next_run_at is None


def test_i5_nothing_before_starts_at_is_an_occurrence() -> None:
    decided = plan(Policies(catch_up="all", overlap="allow", starts_at=at("10:04")))

    assert runs(decided) == ["10:04", "10:05"]
    assert decided.not_run == ()


def test_i5_a_schedule_that_starts_later_has_its_first_run_then() -> None:
    decided = plan(Policies(starts_at=at("10:07:30")))

    assert (decided.runs, decided.not_run) == ((), ())
    assert decided.next_run_at == at("10:08")
    assert next_run(EVERY_MINUTE, Policies(starts_at=at("10:07")), at("10:00"), 0) == at("10:07")


def test_i5_max_runs_ends_the_schedule_after_so_many_jobs() -> None:
    decided = plan(Policies(catch_up="all", overlap="allow", max_runs=5), runs=2)

    assert runs(decided) == ["10:01", "10:02", "10:03"]
    assert decided.not_run == ()
    assert decided.next_run_at is None


def test_i5_what_lies_beyond_the_last_of_max_runs_is_not_even_too_late_or_skipped() -> None:
    decided = plan(Policies(catch_up="all", overlap="queue_one", start_deadline=600, max_runs=2))

    assert runs(decided) == ["10:01", "10:02"]
    assert decided.not_run == ()


def test_i5_a_schedule_that_has_had_its_max_runs_gets_none() -> None:
    decided = plan(Policies(catch_up="all", overlap="allow", max_runs=2), runs=2)

    assert (decided.runs, decided.not_run, decided.next_run_at) == ((), (), None)


@pytest.mark.parametrize("catch_up", ["latest", "earliest", "all"])
def test_i5_an_occurrence_that_was_skipped_is_none_of_the_max_runs(catch_up: str) -> None:
    decided = plan(Policies(catch_up=catch_up, max_runs=1), busy=True)

    assert decided.runs == ()
    assert sum(each.count for each in decided.not_run) == 5
    assert decided.next_run_at == at("10:06")


def test_i5_an_occurrence_past_its_deadline_is_none_of_the_max_runs() -> None:
    decided = plan(Policies(catch_up="earliest", start_deadline=60, max_runs=1))

    assert decided.runs == ()
    assert sum(each.count for each in decided.not_run) == 5
    assert decided.next_run_at == at("10:06")


def test_i5_a_one_off_runs_once() -> None:
    decided = plan(recurrence=Once(at("10:05")))

    assert runs(decided) == ["10:05"]
    assert decided.next_run_at is None


# Excluded dates (E3)


def test_e3_nothing_runs_on_an_excluded_date() -> None:
    noon = Cron("0 12 * * *")
    policies = Policies(catch_up="all", overlap="allow", exclude=(at("07-02 00:00").date(),))
    decided = plan(policies, recurrence=noon, now="07-03 13:00")

    assert runs(decided) == ["12:00", "07-03 12:00"]
    assert explained(decided.not_run) == ["07-02 12:00 excluded"]


def test_e3_dates_are_those_of_the_schedules_zone() -> None:
    zone = "Pacific/Auckland"
    policies = Policies(catch_up="all", overlap="allow", exclude=(at("07-02 00:00").date(),))
    decided = plan(policies, recurrence=Cron("30 0 * * *", zone), cursor="10:00", now="07-03 00:00", timezone=zone)

    assert runs(decided) == ["07-02 12:30"]
    assert explained(decided.not_run) == ["12:30 excluded"]


def test_e3_the_newest_that_is_not_excluded_runs() -> None:
    policies = Policies(exclude=(at("07-03 00:00").date(),))
    decided = plan(policies, recurrence=Cron("0 12 * * *"), now="07-03 13:00")

    assert runs(decided) == ["07-02 12:00"]
    assert explained(decided.not_run) == ["12:00 coalesced", "07-03 12:00 excluded"]
    assert decided.cursor == at("07-03 12:00")


# What the clock skipped (D10)


def test_d10_a_run_that_the_clock_skipped_is_explained() -> None:
    cron = Cron("30 2 * * *", "Europe/Paris", dst_gap="skip")
    decided = plan(
        Policies(catch_up="all", overlap="allow"),
        recurrence=cron,
        cursor="03-28 00:00",
        now="03-30 12:00",
        timezone="Europe/Paris",
    )

    assert runs(decided) == ["03-28 01:30", "03-30 00:30"]
    assert explained(decided.not_run) == ["03-29 01:00 skipped_dst"]


def test_d10_a_skipped_run_that_is_the_newest_moves_the_cursor() -> None:
    cron = Cron("30 2 * * *", "Europe/Paris", dst_gap="skip")
    decided = plan(recurrence=cron, cursor="03-28 12:00", now="03-29 12:00")

    assert decided.runs == ()
    assert explained(decided.not_run) == ["03-29 01:00 skipped_dst"]
    assert decided.cursor == at("03-29 01:00")
    assert decided.next_run_at == at("03-30 00:30")


# Settling without running


def test_settling_explains_all_by_one_reason_and_runs_none() -> None:
    since, now = Standing(at("10:00")), at("10:05:30")

    decided = explain(EVERY_MINUTE, Policies(), since, now, Ledgered.PAUSED, "paused: holiday")

    assert decided.runs == ()
    assert explained(decided.not_run) == ["10:01–10:05 (5) paused"]
    assert decided.not_run[0].reason == "paused: holiday"
    assert decided.cursor == at("10:05:30")


def test_settling_knows_the_limits_of_the_schedule() -> None:
    limits = Policies(starts_at=at("10:02"), repeat_until=at("10:04"))

    decided = explain(EVERY_MINUTE, limits, Standing(at("10:00")), at("10:05"), Ledgered.PAUSED, "paused")

    assert explained(decided.not_run) == ["10:02–10:04 (3) paused"]


def test_settling_never_moves_the_cursor_backwards() -> None:
    decided = explain(EVERY_MINUTE, Policies(), Standing(at("10:05")), at("10:00"), Ledgered.PAUSED, "paused")

    assert decided.cursor == at("10:05")
    assert decided.not_run == ()


# What a policy may be


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"catch_up": "newest"}, "catch_up is 'newest', but must be one of latest, earliest, all, none."),
        ({"overlap": "stop"}, "overlap is 'stop', but must be one of skip, allow, queue_one, queue_all."),
        ({"max_runs": 0}, "max_runs is 0, but must be a whole number from 1 to"),
        ({"max_runs": True}, "max_runs is True, but"),
        ({"max_runs": 1.5}, "max_runs is 1.5, but"),
        ({"catch_up_window": -1}, "catch_up_window is -1, but must be a whole number from 0 to"),
        ({"max_catch_up": 0}, "max_catch_up is 0, but must be a whole number from 1 to"),
        ({"max_catch_up": None}, "max_catch_up is None, but"),
        ({"late_after": "60"}, "late_after is '60', but"),
        ({"start_deadline": 0}, "start_deadline is 0, but must be a whole number from 1 to"),
        ({"jitter": 2**31}, "jitter is 2147483648, but"),
        ({"starts_at": datetime(2026, 7, 1)}, "starts_at is datetime.datetime(2026, 7, 1, 0, 0), but must be an aware"),
        (
            {"repeat_until": "2026-07-01"},
            "repeat_until is '2026-07-01', but must be an aware datetime from the year 1970 to 9000.",
        ),
        ({"exclude": ("2026-07-01",)}, "exclude is ('2026-07-01',), but must be a list of dates."),
        ({"retry_past_next": 1}, "retry_past_next is 1, but must be True or False."),
    ],
)
def test_a_value_that_a_policy_cannot_have_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidPolicy) as refused:
        Policies(**given)

    assert str(refused.value).startswith(said)


# Many at once


@pytest.mark.parametrize(
    ("given", "other"),
    [
        ({}, {"recurrence": Every(120, at("09:00"))}),
        ({}, {"policies": Policies(catch_up="earliest")}),
        ({}, {"cursor": at("10:03")}),
        ({"busy": True}, {"busy": False}),
        ({"policies": Policies(overlap="queue_one"), "busy": True}, {"waiting": True}),
        ({"policies": Policies(max_runs=2, catch_up="all", overlap="allow")}, {"runs": 1}),
        ({"policies": Policies(jitter=50)}, {"seed": "another"}),
        ({"policies": Policies(exclude=(at("10:00").date(),))}, {"timezone": "Asia/Tokyo"}),
    ],
    ids=str,
)
def test_schedules_share_a_decision_only_if_nothing_tells_them_apart(
    given: dict[str, Any], other: dict[str, Any]
) -> None:
    decisions = Decisions(at("23:30"))

    decided = [shared(decisions, **given), shared(decisions, **given), shared(decisions, **(given | other))]

    assert decided[0] is decided[1]
    assert decided[0] != decided[2]
    assert decided[2] == shared(Decisions(decisions.now), **(given | other))


def shared(
    decisions: Decisions,
    *,
    recurrence: Recurrence = EVERY_MINUTE,
    policies: Policies = Policies(),  # noqa: B008  a frozen value
    cursor: datetime = at("10:00"),  # noqa: B008  a frozen value
    seed: str = "s",
    timezone: str = "UTC",
    **standing: Any,
) -> Plan:
    return decisions.on(recurrence, policies, Standing(cursor, **standing), seed=seed, timezone=timezone)
