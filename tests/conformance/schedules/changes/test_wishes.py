"""From a wish to a row: an edit runs nothing of the past and says why; what is meant counts, and not its spelling."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from schedules import changes
from schedules.declarations.sync import GRACE, retire_undeclared
from schedules.models import Occurrence, Schedule, Source
from schedules.occurrences.jobs import lane_of
from schedules.overview import overview
from schedules.spec import Spec
from tests.conformance.model.virtual import (
    ALIAS,
    VirtualClock,
    again,
    finish,
    jobs_of,
    ledger_of,
    spec,
    start_jobs,
    sync,
)
from tests.schedules.recurrence.moments import at
from worker import queue

OLDER, YOUNGER = at("09:00"), at("09:30")
HOURLY: dict[str, Any] = {"repeat": 3600, "overlap": "allow"}
CATCH_UP = pytest.mark.parametrize("catch_up", ["latest", "earliest", "all", "none"])


def settled(schedule: Schedule, clock: VirtualClock) -> tuple[list[str], Any]:
    """What a tick makes of it now: the jobs, and when the next run is."""
    before = jobs_of(schedule)
    clock.tick()
    return jobs_of(schedule)[len(before) :], again(schedule).next_run_at


# A limit is lifted


WAYS: dict[str, Callable[..., object]] = {
    "declared": lambda clock, **given: clock.declared(**given),
    "edited": lambda clock, **given: changes.edit(
        Schedule.objects.get(), ALIAS, clock.now(), **spec(**given).columns()
    ),
}
WAY = pytest.mark.parametrize("change", WAYS.values(), ids=WAYS)


@CATCH_UP
@WAY
def test_e1_an_end_that_is_put_off_runs_nothing_of_what_lay_between(
    clock: VirtualClock, change: Callable[..., object], catch_up: str
) -> None:
    given = {**HOURLY, "catch_up": catch_up}
    schedule = clock.declared(**given, repeat_until=at("11:30"))
    clock.tick("11:00")
    clock.to("07-03 12:10")

    change(clock, **given)

    assert settled(schedule, clock) == ([], at("07-03 13:00"))
    assert ledger_of(schedule) == ["11:00 enqueued", "12:00–07-03 12:00 (49) ended"]
    assert Occurrence.objects.get(outcome="ended").reason == "after its repeat_until"


@CATCH_UP
@WAY
def test_e1_more_runs_that_are_allowed_are_runs_to_come(
    clock: VirtualClock, change: Callable[..., object], catch_up: str
) -> None:
    given = {**HOURLY, "catch_up": catch_up}
    schedule = clock.declared(**given, max_runs=1)
    clock.tick("11:00")
    clock.to("07-03 12:10")

    change(clock, **given, max_runs=10)

    assert settled(schedule, clock) == ([], at("07-03 13:00"))
    assert ledger_of(schedule) == ["11:00 enqueued", "12:00–07-03 12:00 (49) ended"]
    assert Occurrence.objects.get(outcome="ended").reason == "after its 1 runs"


@CATCH_UP
@pytest.mark.parametrize("limits", [{}, {"starts_at": at("10:30")}], ids=["removed", "moved earlier"])
@WAY
def test_e1_a_beginning_that_is_moved_into_the_past_runs_nothing_before_now(
    clock: VirtualClock, change: Callable[..., object], limits: dict[str, Any], catch_up: str
) -> None:
    given = {**HOURLY, "catch_up": catch_up}
    schedule = clock.declared(**given, starts_at=at("07-10 00:00"))
    clock.to("07-03 12:10")

    change(clock, **given, **limits)

    assert settled(schedule, clock) == ([], at("07-03 13:00"))
    assert ledger_of(schedule) == ["11:00–07-03 12:00 (50) not_begun"]


def test_e1_a_limit_that_is_lifted_after_a_pause_explains_what_neither_let_run(clock: VirtualClock) -> None:
    schedule = clock.declared(**HOURLY, repeat_until=at("11:30"))
    changes.pause(schedule, ALIAS, clock.now(), reason="holiday")
    clock.to("13:10")
    changes.resume(schedule, ALIAS, clock.now())
    clock.to("14:10")

    clock.declared(**HOURLY, catch_up="all")

    assert settled(schedule, clock) == ([], at("15:00"))
    assert ledger_of(schedule) == ["11:00 paused", "12:00–14:00 (3) ended"]


def test_e1_a_limit_that_is_set_drops_nothing_that_was_due(clock: VirtualClock) -> None:
    schedule = clock.declared(**HOURLY, catch_up="all")
    clock.to("12:10")

    clock.declared(**HOURLY, catch_up="all", repeat_until=at("11:30"))
    clock.tick("14:00")

    assert ledger_of(schedule) == ["11:00 enqueued", "12:00 enqueued"]


@WAY
def test_an_end_that_is_past_is_told_and_the_schedule_shown_as_ended(
    clock: VirtualClock, change: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    schedule = clock.declared(**HOURLY)

    change(clock, **HOURLY, repeat_until=at("09:00"))

    assert again(schedule).status == "ended"
    assert "s was to repeat until 2026-07-01T09:00:00+00:00, which is past: it does not run" in caplog.text
    assert [each.status for each in overview(ALIAS, clock.now(), 1).schedules] == ["ended"]


# What was retired


def nightly(**given: Any) -> Spec:
    return spec("nightly", source=Source.SETTINGS, **{**HOURLY, "catch_up": "all", **given})


@pytest.fixture
def retired(clock: VirtualClock) -> Schedule:
    """Hourly, retired at 11:30."""
    sync(ALIAS, clock, OLDER, [nightly()])
    clock.tick("11:00")
    clock.to("11:20")
    sync(ALIAS, clock, OLDER, [])
    list(retire_undeclared(ALIAS, clock.now() + GRACE))
    return Schedule.objects.named("nightly").get()


def test_e1_a_retired_schedule_that_is_detached_runs_nothing_of_the_time_that_it_was_retired(
    clock: VirtualClock, retired: Schedule
) -> None:
    clock.to("07-31 12:10")

    changes.detach(retired, ALIAS, clock.now())

    assert settled(retired, clock) == ([], at("07-31 13:00"))
    assert ledger_of(retired) == ["11:00 enqueued", "12:00–07-31 12:00 (721) retired"]


@pytest.mark.parametrize("anew", [{}, {"cron": "0 * * * *", "repeat": ""}], ids=["the same", "another recurrence"])
def test_e1_a_retired_schedule_that_is_declared_again_runs_nothing_of_the_time_that_it_was_retired(
    clock: VirtualClock, retired: Schedule, anew: dict[str, Any]
) -> None:
    clock.to("07-31 12:10")

    sync(ALIAS, clock, YOUNGER, [nightly(**anew)])

    assert settled(retired, clock) == ([], at("07-31 13:00"))
    assert ledger_of(retired) == ["11:00 enqueued", "12:00–07-31 12:00 (721) retired"]


def test_e1_what_was_due_when_it_was_retired_has_run(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    sync(ALIAS, clock, OLDER, [])

    list(retire_undeclared(ALIAS, at("12:30")))

    assert ledger_of(Schedule.objects.get()) == ["11:00 enqueued", "12:00 enqueued"]


def test_e1_a_pause_before_it_was_retired_is_told_from_the_time_after(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [nightly()])
    changes.pause(Schedule.objects.get(), ALIAS, clock.now(), reason="holiday")
    sync(ALIAS, clock, OLDER, [])
    list(retire_undeclared(ALIAS, at("12:30")))
    clock.to("15:10")

    sync(ALIAS, clock, YOUNGER, [nightly()])

    assert ledger_of(Schedule.objects.get()) == ["11:00–12:00 (2) paused", "13:00–15:00 (3) retired"]
    assert Schedule.objects.get().status == "paused"


# What was broken


@pytest.fixture
def broken(clock: VirtualClock) -> Schedule:
    """Broken since 11:00, and mended by hand at 12:10 four days later."""
    schedule = clock.declared(**HOURLY, catch_up="all")
    Schedule.objects.update(timezone="Europe/Nowhere", repeat="1 day")
    clock.tick("11:00")
    assert again(schedule).status == "broken"
    Schedule.objects.update(timezone="UTC", repeat="3600")
    clock.to("07-05 12:10")
    return again(schedule)


@pytest.mark.parametrize(
    "mend",
    [
        lambda row, now: changes.repair(row, ALIAS, now),
        lambda row, now: changes.edit(row, ALIAS, now, queue="mail"),
        lambda row, now: changes.bring_in_line(spec(**HOURLY, catch_up="all"), ALIAS, now),
    ],
    ids=["repaired", "edited", "declared"],
)
def test_e1_a_broken_schedule_that_is_mended_runs_nothing_of_the_time_that_it_was_broken(
    clock: VirtualClock, broken: Schedule, mend: Callable[..., object]
) -> None:
    mend(broken, clock.now())

    assert settled(broken, clock) == ([], at("07-05 13:00"))
    assert ledger_of(broken) == ["11:00–07-05 12:00 (98) broken"]
    assert "is not a time zone" in Occurrence.objects.get().reason


def test_e1_what_nobody_could_read_is_explained_by_what_takes_its_place(clock: VirtualClock) -> None:
    schedule = clock.declared(**HOURLY)
    Schedule.objects.update(repeat="nonsense")
    clock.tick("11:00")
    clock.to("13:10")

    clock.declared(**HOURLY)

    assert settled(schedule, clock) == ([], at("14:00"))
    assert ledger_of(schedule) == ["11:00–13:00 (3) broken"]


def test_a_repair_that_cannot_read_the_schedule_leaves_it_broken_and_where_it_stood(clock: VirtualClock) -> None:
    schedule = clock.declared(**HOURLY)
    Schedule.objects.update(repeat="nonsense")
    clock.tick("11:00")
    clock.to("13:10")

    changes.repair(again(schedule), ALIAS, clock.now())

    assert (again(schedule).status, again(schedule).settled_until) == ("broken", at("10:00"))


# Meaning, not spelling


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"repeat": 604_800}, {"repeat": 604_800, "timezone": "Europe/Paris"}),
        ({"repeat": 604_800}, {"repeat": "604800", "dst_gap": "skip", "dst_overlap": "both"}),
        ({"repeat": timedelta(days=7)}, {"repeat": 604_800}),
        ({"repeat": "7 days"}, {"repeat": "7 days", "timezone": "Etc/UTC"}),
        ({"repeat": "12 months", "timezone": "Europe/Paris"}, {"repeat": "1 year", "timezone": "Europe/Paris"}),
        ({"cron": "@daily"}, {"cron": "0 0 * * *"}),
        ({"cron": "0 9 * * MON"}, {"cron": "0 9 * * 1", "dst_gap": "skip"}),
    ],
    ids=str,
)
def test_e1_what_means_the_same_keeps_where_it_stands(
    clock: VirtualClock, before: dict[str, Any], after: dict[str, Any]
) -> None:
    schedule = clock.declared(**before)
    changes.pause(schedule, ALIAS, clock.now(), reason="", until=at("07-02 00:00"))
    clock.to("10:25")
    planned = (again(schedule).anchor, again(schedule).settled_until)

    clock.declared(**after)

    assert (again(schedule).anchor, again(schedule).settled_until) == planned


def test_e1_the_projects_time_zone_means_nothing_to_elapsed_seconds(clock: VirtualClock, settings: Any) -> None:
    schedule = clock.declared(repeat=604_800)
    clock.to("07-06 10:25")

    settings.TIME_ZONE = "Europe/Paris"
    clock.declared(repeat=604_800)

    assert again(schedule).next_run_at == at("07-08 10:00")
    assert again(schedule).timezone == "Europe/Paris"


def test_i4_a_repeat_in_calendar_units_keeps_its_reading_when_its_zone_is_changed(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat="1 day", timezone="Europe/Paris")
    clock.tick("07-02 10:00")
    assert again(schedule).next_run_at == at("07-03 10:00")  # 12:00 in Paris

    clock.declared(repeat="1 day", timezone="America/New_York")

    assert again(schedule).next_run_at == at("07-02 16:00")  # 12:00 in New York


# Where a repeat counts from


def test_i5_a_first_run_is_where_a_repeat_counts_from_whatever_the_clock_does(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat="3 days", timezone="Europe/Paris", first_run="2026-07-02 03:00")

    clock.tick("07-02 01:00")
    clock.tick("07-05 01:00")
    assert ledger_of(schedule) == ["07-02 01:00 enqueued", "07-05 01:00 skipped_overlap"]
    clock.tick("10-24 00:00")
    assert again(schedule).next_run_at == at("10-24 01:00")
    clock.tick("10-24 01:00")
    assert again(schedule).next_run_at == at("10-27 02:00")  # 03:00 in winter


@pytest.mark.parametrize("first_run", [at("07-02 01:00"), "2026-07-02 03:00", "2026-07-02T03:00:00+02:00"], ids=str)
def test_a_first_run_is_an_instant_or_what_the_clock_of_its_zone_shows(clock: VirtualClock, first_run: Any) -> None:
    schedule = clock.declared(repeat=259_200, timezone="Europe/Paris", first_run=first_run)

    assert again(schedule).next_run_at == at("07-02 01:00")


def test_a_first_run_in_the_past_is_where_the_grid_begins_and_runs_nothing_of_it(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=3600, first_run=at("06-01 00:20"), catch_up="all")
    clock.tick("10:19")

    assert (ledger_of(schedule), again(schedule).next_run_at) == ([], at("10:20"))


def test_a_first_run_that_is_declared_anew_moves_the_grid_and_one_that_is_left_out_does_not(
    clock: VirtualClock,
) -> None:
    schedule = clock.declared(repeat=86_400, first_run=at("07-02 09:00"))

    clock.declared(repeat=86_400, first_run=at("07-02 11:00"))
    assert again(schedule).next_run_at == at("07-02 11:00")
    clock.tick("07-02 11:00")
    clock.declared(repeat=86_400)
    assert again(schedule).next_run_at == at("07-03 11:00")


def test_i5_starts_at_limits_and_never_shifts_the_grid(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=3600, first_run=at("09:20"), starts_at=at("12:00"))

    assert again(schedule).next_run_at == at("12:20")


# enabled is a wish that is followed


def enabled(value: bool) -> Spec:
    return nightly(enabled=value)


def row() -> Schedule:
    return Schedule.objects.named("nightly").get()


def test_what_is_declared_as_disabled_is_paused_and_what_is_enabled_again_goes_on(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [enabled(True)])
    clock.tick("11:00")

    sync(ALIAS, clock, OLDER, [enabled(False)])
    assert (row().status, row().pause_reason, row().next_run_at) == ("paused", "declared with enabled = False", None)
    clock.to("13:10")
    sync(ALIAS, clock, YOUNGER, [enabled(True)])

    assert settled(row(), clock) == ([], at("14:00"))
    assert ledger_of(row()) == ["11:00 enqueued", "12:00–13:00 (2) paused"]


def test_the_pause_of_an_operator_wins_whatever_is_declared(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [enabled(True)])
    changes.pause(row(), ALIAS, clock.now(), reason="holiday", by="bob")

    for value in (False, True):
        sync(ALIAS, clock, YOUNGER, [enabled(value)])
        assert (row().status, row().pause_reason, row().paused_by) == ("paused", "holiday", "bob")


def test_an_operator_who_pauses_what_is_disabled_makes_the_pause_their_own(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [enabled(False)])
    changes.pause(row(), ALIAS, clock.now(), reason="holiday", by="bob")

    sync(ALIAS, clock, YOUNGER, [enabled(True)])

    assert (row().status, row().pause_reason) == ("paused", "holiday")


def test_what_an_operator_resumes_stays_so_until_the_declaration_says_something_else(clock: VirtualClock) -> None:
    sync(ALIAS, clock, OLDER, [enabled(False)])
    changes.resume(row(), ALIAS, clock.now())

    sync(ALIAS, clock, YOUNGER, [enabled(False)])
    assert row().status == "active"
    sync(ALIAS, clock, YOUNGER, [enabled(True)])
    sync(ALIAS, clock, YOUNGER, [enabled(False)])
    assert row().status == "paused"


@pytest.mark.parametrize("was_resumed", [False, True], ids=["enabled before", "resumed by hand before"])
def test_what_comes_back_disabled_after_it_was_retired_is_paused(clock: VirtualClock, was_resumed: bool) -> None:
    sync(ALIAS, clock, OLDER, [enabled(not was_resumed)])
    if was_resumed:
        changes.resume(row(), ALIAS, clock.now())
    sync(ALIAS, clock, OLDER, [])
    list(retire_undeclared(ALIAS, clock.now() + GRACE))
    clock.to("08-01 12:00")

    sync(ALIAS, clock, YOUNGER, [enabled(False)])

    assert (row().status, row().next_run_at) == ("paused", None)


# What a pause holds


@pytest.mark.parametrize("how", ["by an operator", "declared"])
@pytest.mark.parametrize("overlap", ["queue_one", "queue_all"])
def test_a_pause_holds_what_waits_and_what_had_its_turn_goes_on(clock: VirtualClock, overlap: str, how: str) -> None:
    given = {**HOURLY, "overlap": overlap, "catch_up": "all"}
    schedule = clock.declared(**given)
    clock.tick("11:00")
    clock.tick("14:00")
    waiting = len(jobs_of(schedule)) - 1
    assert waiting == (1 if overlap == "queue_one" else 3)

    if how == "declared":
        clock.declared(**given, enabled=False)
    else:
        changes.pause(schedule, ALIAS, clock.now(), reason="holiday")
    finish(start_jobs(), clock.now())
    clock.tick("15:00")
    assert [each.split()[-1] for each in jobs_of(schedule)] == ["held"] * waiting
    assert start_jobs() == []

    if how == "declared":
        clock.declared(**given)
    else:
        changes.resume(schedule, ALIAS, clock.now())
    clock.tick()
    assert [each.split()[-1] for each in jobs_of(schedule)] == ["ready", *["waiting"] * (waiting - 1)]


def test_a_pause_that_ends_by_itself_lets_what_waited_go_on(clock: VirtualClock) -> None:
    schedule = clock.declared(**{**HOURLY, "overlap": "queue_all"})
    clock.tick("11:00")
    clock.tick("12:00")
    changes.pause(schedule, ALIAS, clock.now(), reason="", until=at("12:30"))
    finish(start_jobs(), clock.now())

    clock.tick("12:29")
    assert jobs_of(schedule) == ["12:00 held"]
    clock.tick("12:30")
    assert jobs_of(schedule) == ["12:00 ready"]


def test_what_a_pause_holds_may_be_cancelled(clock: VirtualClock) -> None:
    schedule = clock.declared(**{**HOURLY, "overlap": "queue_all"})
    clock.tick("11:00")
    clock.tick("12:00")
    changes.pause(schedule, ALIAS, clock.now(), reason="")

    assert len(queue.cancel_lane(lane_of(schedule.pk), "by hand", ALIAS)) == 2
