"""Rule E2: a backfill runs exactly the occurrences that have no job, whatever the ledger says of them, or nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules import changes
from schedules.changes.backfills import MOST
from schedules.models import Occurrence, Schedule
from schedules.occurrences.ledger import prune
from schedules.spec import InvalidSchedule
from tests.conformance.model.virtual import ALIAS, VirtualClock, again, finish, jobs_of, ledger_of, start_jobs
from tests.schedules.recurrence.moments import at, moment
from worker.models import Job


def run_between(
    clock: VirtualClock, schedule: Schedule, start: str, end: str, *, overlap: str = "allow", force: bool = False
) -> int:
    return changes.backfill(schedule, ALIAS, clock.now(), at(start), at(end), overlap=overlap, force=force)


def test_a_range_of_the_ledger_is_split_around_what_runs_now(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:10")
    assert ledger_of(schedule) == ["10:01–10:09 (9) coalesced", "10:10 enqueued"]

    assert run_between(clock, schedule, "10:04", "10:05") == 2

    assert ledger_of(schedule) == [
        "10:01–10:03 (3) coalesced",
        "10:04 backfilled",
        "10:05 backfilled",
        "10:06–10:09 (4) coalesced",
        "10:10 enqueued",
    ]
    assert jobs_of(schedule) == ["10:04 ready", "10:05 ready", "10:10 ready"]


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        ("10:01", "10:03", ["10:04 coalesced"]),
        ("10:02", "10:04", ["10:01 coalesced"]),
        ("10:01", "10:04", []),
        ("09:00", "10:04", []),
        ("10:02", "10:03", ["10:01 coalesced", "10:04 coalesced"]),
    ],
)
def test_what_is_left_of_a_range_keeps_its_outcome_and_its_reason(
    clock: VirtualClock, start: str, end: str, left: list[str]
) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:05")
    (reason,) = Occurrence.objects.filter(outcome="coalesced").values_list("reason", flat=True)

    run_between(clock, schedule, start, end)

    assert [line for line in ledger_of(schedule) if "coalesced" in line] == left
    assert set(Occurrence.objects.filter(outcome="coalesced").values_list("reason", flat=True)) <= {reason}


def test_what_ran_is_not_run_again(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, catch_up="all", overlap="allow")
    clock.tick("10:03")

    assert run_between(clock, schedule, "10:00", "10:03") == 0
    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 enqueued", "10:03 enqueued"]


def test_to_backfill_a_range_twice_runs_it_once(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:10")

    assert run_between(clock, schedule, "10:01", "10:05") == 5
    assert run_between(clock, schedule, "10:03", "10:08") == 3
    assert run_between(clock, schedule, "10:00", "10:10") == 1

    assert Job.objects.count() == len(set(jobs_of(schedule))) == 10


@pytest.mark.parametrize("outcome", ["missed", "skipped_overlap", "paused", "excluded"])
def test_whatever_kept_an_occurrence_from_running_it_can_be_run_now(clock: VirtualClock, outcome: str) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:02")
    Occurrence.objects.filter(outcome="coalesced").update(outcome=outcome)

    assert run_between(clock, schedule, "10:01", "10:01") == 1

    assert ledger_of(schedule) == ["10:01 backfilled", "10:02 enqueued"]


def test_an_occurrence_that_the_ledger_has_forgotten_can_be_run_if_forced(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="0 * * * *")
    clock.tick("12:00")
    clock.to("12-01 12:00")
    changes.pause(schedule, ALIAS, clock.now(), reason="")
    list(prune(ALIAS, clock.now()))

    with pytest.raises(InvalidSchedule, match=r"the ledger is kept for 90 days, so it no longer says .* force=True"):
        run_between(clock, schedule, "11:00", "12:00")
    assert run_between(clock, schedule, "11:00", "12:00", force=True) == 2
    assert "11:00 backfilled" in ledger_of(schedule)


def test_an_occurrence_before_the_schedule_existed_can_be_run(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="0 * * * *")

    assert run_between(clock, schedule, "08:00", "09:30") == 2

    assert ledger_of(schedule) == ["08:00 backfilled", "09:00 backfilled"]


def test_i5_what_lies_beyond_the_limits_of_the_schedule_is_no_occurrence_that_could_be_run(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="* * * * *", starts_at=at("09:58"), repeat_until=at("10:02"))
    changes.pause(schedule, ALIAS, clock.now(), reason="")
    clock.to("10:05")
    changes.resume(schedule, ALIAS, clock.now())

    assert run_between(clock, schedule, "09:55", "10:05") == 5

    assert ledger_of(schedule) == [f"{time} backfilled" for time in ("09:58", "09:59", "10:00", "10:01", "10:02")]


def test_what_is_due_but_not_yet_ticked_is_left_to_the_tick(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, catch_up="all", overlap="allow")
    clock.tick("10:02")
    clock.to("10:04")

    assert run_between(clock, schedule, "10:00", "10:04") == 0
    clock.tick()

    assert ledger_of(schedule) == [f"10:0{minute} enqueued" for minute in (1, 2, 3, 4)]


def test_a_backfill_moves_neither_the_cursor_nor_the_next_run(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:10")
    before = again(schedule)

    run_between(clock, schedule, "10:01", "10:05")

    after = again(schedule)
    assert (after.settled_until, after.next_run_at, after.runs) == (
        before.settled_until,
        before.next_run_at,
        before.runs,
    )


def test_a_dry_run_counts_and_changes_nothing(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:10")
    before = ledger_of(schedule)

    assert changes.backfill(schedule, ALIAS, clock.now(), at("10:01"), at("10:05"), dry_run=True) == 5

    assert ledger_of(schedule) == before
    assert Job.objects.count() == 1


def test_by_default_the_runs_come_one_after_the_other_in_order(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:05")
    order = []

    run_between(clock, schedule, "10:01", "10:03", overlap="queue_all")
    for _ in range(4):
        clock.tick()
        (running,) = start_jobs()
        order.append(moment(Job.objects.get(pk=running.id).scheduled_for or clock.now()))
        finish([running], clock.now())

    assert order == ["10:05", "10:01", "10:02", "10:03"]


@pytest.mark.parametrize(
    ("start", "end", "overlap", "said"),
    [
        (at("10:02"), at("10:01"), "allow", "a backfill needs a past start and a later past end"),
        (at("10:01"), at("10:06"), "allow", "a backfill needs a past start and a later past end"),
        (at("10:01").replace(tzinfo=None), at("10:02"), "allow", "start and end must be aware datetimes"),
        (at("10:01"), at("10:02"), "skip", "overlap is 'skip', but must be one of queue_all, allow"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(
    clock: VirtualClock, start: datetime, end: datetime, overlap: str, said: str
) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:05")

    with pytest.raises(InvalidSchedule, match=f"^s: {said}"):
        changes.backfill(schedule, ALIAS, clock.now(), start, end, overlap=overlap)


def test_more_runs_than_anybody_wants_at_once_are_refused(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=1)
    clock.advance(MOST + 2)
    clock.tick()

    with pytest.raises(InvalidSchedule, match=f"^s: that is more than {MOST} runs"):
        changes.backfill(schedule, ALIAS, clock.now(), clock.now() - timedelta(seconds=MOST + 1), clock.now())
    assert (
        changes.backfill(schedule, ALIAS, clock.now(), clock.now() - timedelta(seconds=MOST), clock.now(), dry_run=True)
        == MOST
    )


def test_a_thousand_skipped_runs_are_backfilled_by_a_handful_of_statements(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=1)
    lines = [
        Occurrence(
            schedule=schedule,
            scheduled_for=at("10:00") + timedelta(seconds=second),
            outcome="skipped_overlap",
            recorded_at=clock.now(),
        )
        for second in range(1, 1001)
    ]
    Occurrence.objects.bulk_create(lines)
    Schedule.objects.update(settled_until=clock.to("11:00"), next_run_at=at("11:00:01"))

    with CaptureQueriesContext(connection) as captured:
        assert run_between(clock, schedule, "10:00", "10:16:40") == 1000

    assert len(captured) < 25
    assert set(Occurrence.objects.values_list("outcome", flat=True)) == {"backfilled"}
    assert Occurrence.objects.count() == Job.objects.count() == 1000


@pytest.mark.parametrize(
    ("edited", "then"),
    [
        # Nothing has run since the first interval was declared, so its next run stays.
        ({"repeat": 90}, ["10:04 backfilled", "10:05:30 enqueued"]),
        ({"cron": "*/2 * * * *"}, ["10:04 backfilled", "10:06 enqueued"]),
    ],
)
def test_what_another_recurrence_left_unrun_stays_explained(
    clock: VirtualClock, edited: dict[str, Any], then: list[str]
) -> None:
    schedule = clock.declared(repeat=60)
    changes.pause(schedule, ALIAS, clock.now(), reason="")
    clock.to("10:03")
    clock.declared(**edited)
    changes.resume(schedule, ALIAS, clock.now())
    clock.tick("10:06")

    changes.backfill(again(schedule), ALIAS, clock.now(), at("10:00:01"), at("10:06"))

    assert ledger_of(schedule) == ["10:01–10:03 (3) paused", *then]


def test_as_many_instants_of_another_recurrence_are_not_taken_for_those_that_were_left(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    changes.pause(schedule, ALIAS, clock.now(), reason="")
    clock.to("10:03")
    clock.declared(cron="10,20,30 1 * * * *")
    changes.resume(schedule, ALIAS, clock.now())

    assert run_between(clock, again(schedule), "10:00", "10:03") == 0

    assert ledger_of(schedule) == ["10:01–10:03 (3) paused"]
