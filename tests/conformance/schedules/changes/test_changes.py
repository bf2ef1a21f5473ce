"""The operator's verbs: pause, resume, run now, edit, repair, delete. Rules E1 and E2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from schedules import changes, signals
from schedules.models import Kind, Occurrence, Schedule, Source
from schedules.occurrences.materialize import materialize
from schedules.spec import InvalidSchedule
from tests.conformance.model.virtual import ALIAS, VirtualClock, again, finish, jobs_of, ledger_of, spec, start_jobs
from tests.schedules.recurrence.moments import at
from worker.models import FinishedJob, Job

# Pause


def test_e2_a_paused_schedule_does_not_run_and_says_why(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)

    changes.pause(schedule, ALIAS, clock.now(), reason="holiday", by="bob")
    clock.tick("10:05")

    paused = again(schedule)
    assert (paused.status, paused.paused_at, paused.pause_reason, paused.paused_by) == (
        "paused",
        at("10:00"),
        "holiday",
        "bob",
    )
    assert (jobs_of(schedule), paused.next_run_at) == ([], None)


def test_e2_what_a_pause_held_back_is_recorded_as_paused_and_does_not_run(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, catch_up="all", overlap="allow")
    changes.pause(schedule, ALIAS, clock.now(), reason="holiday")
    clock.tick("10:05")

    changes.resume(schedule, ALIAS, clock.now())
    clock.tick()
    clock.tick("10:06")

    assert ledger_of(schedule) == ["10:01–10:05 (5) paused", "10:06 enqueued"]
    assert Occurrence.objects.get(outcome="paused").reason == "paused: holiday"
    assert jobs_of(schedule) == ["10:06 ready"]


def test_e2_resume_with_catch_up_lets_the_policy_decide(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    changes.pause(schedule, ALIAS, clock.now(), reason="")
    clock.to("10:05")

    changes.resume(schedule, ALIAS, clock.now(), catch_up=True)
    clock.tick()

    assert ledger_of(schedule) == ["10:01–10:04 (4) coalesced", "10:05 enqueued"]


def test_e2_a_pause_with_an_end_ends_by_itself(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    changes.pause(schedule, ALIAS, clock.now(), reason="deploy", until=at("10:03:30"))

    clock.tick("10:03:29")
    assert again(schedule).status == "paused"
    clock.tick("10:04")

    assert ledger_of(schedule) == ["10:01–10:03 (3) paused", "10:04 enqueued"]
    assert again(schedule).status == "active"
    assert (again(schedule).paused_until, again(schedule).pause_reason) == (None, "")


def test_e2_a_pause_until_ten_past_lets_the_run_of_ten_past_pass(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=600)
    changes.pause(schedule, ALIAS, clock.now(), reason="", until=at("10:10"))

    clock.tick("10:10")

    assert ledger_of(schedule) == ["10:10 enqueued"]


def test_e2_what_came_due_after_the_end_of_a_pause_runs_even_if_nobody_looked_for_hours(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=3600, catch_up="all", overlap="allow")
    changes.pause(schedule, ALIAS, clock.now(), reason="", until=at("12:30"))

    clock.tick("14:10")

    assert ledger_of(schedule) == ["11:00–12:00 (2) paused", "13:00 enqueued", "14:00 enqueued"]


@pytest.mark.parametrize("change", ["edit", "declare", "pause", "resume"])
def test_e1_whatever_is_changed_after_a_pause_came_to_its_end_what_was_due_since_then_has_run(
    clock: VirtualClock, change: str
) -> None:
    """Though nobody has led since, who would have noticed."""
    schedule = clock.declared(repeat=60, catch_up="all", overlap="allow")
    changes.pause(schedule, ALIAS, clock.now(), reason="", until=at("10:03"))
    clock.to("10:04:30")

    match change:
        case "edit":
            changes.edit(schedule, ALIAS, clock.now(), repeat="3600")
        case "declare":
            clock.declared(cron="0 0 1 1 *")
        case "pause":
            changes.pause(schedule, ALIAS, clock.now(), reason="again")
        case "resume":
            changes.resume(schedule, ALIAS, clock.now(), catch_up=True)
    clock.tick()

    assert ledger_of(schedule) == ["10:01–10:02 (2) paused", "10:03 enqueued", "10:04 enqueued"]
    assert again(schedule).status == ("paused" if change == "pause" else "active")


def test_e2_to_pause_again_changes_the_reason_and_the_end_but_not_the_beginning(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    changes.pause(schedule, ALIAS, clock.now(), reason="lunch", until=at("10:30"))
    clock.to("10:10")

    changes.pause(schedule, ALIAS, clock.now(), reason="holiday")
    clock.tick("10:40")

    paused = again(schedule)
    assert (paused.status, paused.pause_reason, paused.paused_until) == ("paused", "holiday", None)
    assert paused.paused_at == at("10:00")


def test_e1_what_was_due_before_a_pause_still_runs(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.to("10:01:30")

    changes.pause(schedule, ALIAS, clock.now(), reason="")

    assert jobs_of(schedule) == ["10:01 ready"]


def test_i5_a_pause_of_a_schedule_that_has_ended_holds_nothing_back(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, max_runs=1)
    clock.tick("10:01")
    changes.pause(schedule, ALIAS, clock.now(), reason="")
    clock.to("10:05")

    changes.resume(schedule, ALIAS, clock.now())

    assert ledger_of(schedule) == ["10:01 enqueued"]
    assert again(schedule).status == "ended"


def test_to_resume_what_is_not_paused_changes_nothing(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.to("10:01:30")

    changes.resume(schedule, ALIAS, clock.now())
    clock.tick()

    assert ledger_of(schedule) == ["10:01 enqueued"]


def test_a_job_that_is_enqueued_already_is_not_held_back_by_a_pause(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:01")

    changes.pause(schedule, ALIAS, clock.now(), reason="")

    assert len(start_jobs()) == 1


# Edit


def test_e1_an_edit_takes_effect_for_what_is_not_yet_materialized(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, args=["old"], overlap="allow")
    clock.tick("10:01")

    clock.declared(repeat=60, args=["new"], overlap="allow")
    clock.tick("10:02")

    assert [job.args for job in Job.objects.order_by("pk")] == [["old"], ["new"]]
    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 enqueued"]


def test_e1_a_new_recurrence_drops_nothing_that_was_due_and_repeats_none(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="* * * * *", catch_up="all", overlap="allow")
    clock.to("10:02:30")

    clock.declared(cron="*/2 * * * *", catch_up="all", overlap="allow")
    clock.tick("10:06")

    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 enqueued", "10:04 enqueued", "10:06 enqueued"]


def test_e1_a_recurrence_that_is_changed_to_and_fro_repeats_nothing(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="* * * * *", overlap="allow")
    clock.tick("10:01")

    clock.declared(cron="*/5 * * * *", overlap="allow")
    clock.declared(cron="* * * * *", overlap="allow")
    clock.tick()
    clock.tick("10:02")

    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 enqueued"]


def test_e1_a_one_off_whose_time_is_past_does_not_run_where_the_ledger_has_it_already(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:05")

    clock.declared(run_at=at("10:03"))
    clock.tick()

    assert ledger_of(schedule) == ["10:01–10:04 (4) coalesced", "10:05 enqueued"]


def test_e1_columns_that_are_edited_by_hand_obey_the_same_rule(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=3600)
    clock.to("10:20")

    assert changes.edit(schedule, ALIAS, clock.now(), queue="mail").next_run_at == at("11:00")
    assert changes.edit(schedule, ALIAS, clock.now(), repeat="600").next_run_at == at("10:30")


def test_e1_an_edit_during_a_pause_forgets_nothing_that_was_held_back(clock: VirtualClock) -> None:
    schedule = clock.declared(cron="*/10 * * * *")
    changes.pause(schedule, ALIAS, clock.now(), reason="holiday")
    clock.to("10:25")

    changes.edit(schedule, ALIAS, clock.now(), cron="*/15 * * * *")
    clock.to("10:50")
    changes.resume(schedule, ALIAS, clock.now())

    assert ledger_of(schedule) == ["10:10–10:20 (2) paused", "10:30–10:45 (2) paused"]


def test_an_edit_mends_a_broken_schedule(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    Schedule.objects.update(repeat="nonsense")
    clock.tick("10:01")
    assert again(schedule).status == "broken"

    changes.edit(schedule, ALIAS, clock.now(), repeat="60")
    clock.tick("10:02")

    assert again(schedule).status == "active"
    assert "10:02 enqueued" in ledger_of(schedule)


def test_what_a_broken_schedule_did_not_run_is_explained_when_its_recurrence_is_replaced(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=600)
    Schedule.objects.update(overlap="nonsense")
    clock.tick("10:10")
    Schedule.objects.update(overlap="skip")
    clock.to("10:25")

    changes.edit(schedule, ALIAS, clock.now(), cron="*/15 * * * *", repeat="")
    clock.tick("10:30")

    assert ledger_of(schedule) == ["10:10–10:20 (2) broken", "10:30 enqueued"]


# Run now


def test_e2_run_now_does_not_move_the_next_run(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=3600, args=["eu"], priority=3)
    clock.to("10:20")

    job_id = changes.run_now(schedule, ALIAS, clock.now(), by="bob")

    job = Job.objects.get(pk=job_id)
    assert (job.args, job.priority, job.state, job.run_at) == (["eu"], 3, "ready", at("10:20"))
    assert (again(schedule).next_run_at, again(schedule).settled_until) == (at("11:00"), at("10:00"))
    assert ledger_of(schedule) == []
    assert ledger_of(schedule, Kind.MANUAL) == ["10:20 manual"]
    line = Occurrence.objects.get()
    assert (line.reason, line.job_id) == ("by bob", job_id)


def test_e2_run_now_at_the_instant_of_an_occurrence_is_another_run(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, overlap="allow")
    clock.tick("10:01")

    changes.run_now(schedule, ALIAS, clock.now())

    assert ledger_of(schedule) == ["10:01 enqueued"]
    assert ledger_of(schedule, Kind.MANUAL) == ["10:01 manual"]
    assert Job.objects.count() == 2


def test_e2_run_now_twice_at_one_instant_is_two_runs(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=3600)

    first, second = changes.run_now(schedule, ALIAS, clock.now()), changes.run_now(schedule, ALIAS, clock.now())

    assert first != second
    assert [line.job_id for line in Occurrence.objects.order_by("scheduled_for")] == [first, second]


def test_e2_a_paused_schedule_may_be_run_by_hand(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=3600)
    changes.pause(schedule, ALIAS, clock.now(), reason="")

    changes.run_now(schedule, ALIAS, clock.now())

    assert len(start_jobs()) == 1
    assert again(schedule).status == "paused"


# Repair


def test_a_schedule_whose_cursor_lies_in_the_future_is_seen_and_repaired(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, overlap="allow")
    clock.tick("10:01")
    clock.tick("2027-07-01 10:00")
    clock.to("10:05")
    assert again(schedule).is_ahead(clock.now())

    changes.repair(again(schedule), ALIAS, clock.now())
    clock.tick("10:06")

    assert not again(schedule).is_ahead(clock.now())
    assert "10:06 enqueued" in ledger_of(schedule)
    assert not Occurrence.objects.filter(scheduled_for__gt=clock.now()).exists()


@pytest.mark.parametrize("options", [{"cron": "0 3 1 1 *"}, {"repeat": 86_400}, {"repeat": 1}])
def test_a_schedule_that_waits_for_its_next_run_is_not_ahead(clock: VirtualClock, options: dict[str, str]) -> None:
    schedule = clock.declared(**options)

    assert not schedule.is_ahead(clock.now())


# Delete


def test_delete_removes_the_ledger_and_cancels_what_nobody_has_started(clock: VirtualClock) -> None:
    schedule, other = clock.declared("s", repeat=60, overlap="allow"), clock.declared("other", repeat=60)
    clock.tick("10:01")
    running = start_jobs()
    clock.tick("10:02")

    changes.delete(schedule, ALIAS)

    assert not Schedule.objects.filter(pk=schedule.pk).exists()
    assert set(Occurrence.objects.values_list("schedule_id", flat=True)) == {other.pk}
    assert jobs_of(schedule) == ["10:01 running"]
    cancelled = FinishedJob.objects.get()
    assert (cancelled.state, cancelled.reason) == ("cancelled", "its schedule was deleted")
    finish(running, clock.now())


# Races, one step at a time


def test_a_tick_that_read_the_row_before_a_pause_does_nothing_with_it(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.to("10:01")
    read_before = list(Schedule.objects.all())
    # As if it had been paused just before its run was due.
    clock.set(clock.now() - timedelta(seconds=1))
    changes.pause(schedule, ALIAS, clock.now(), reason="")
    clock.to("10:01")

    assert materialize(ALIAS, clock.now(), read_before) == 0

    assert (jobs_of(schedule), ledger_of(schedule)) == ([], [])


def test_a_tick_that_read_the_row_before_an_edit_does_nothing_with_it(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60, args=["old"])
    clock.to("10:01")
    read_before = list(Schedule.objects.all())

    clock.declared(repeat=60, args=["new"])

    assert materialize(ALIAS, clock.now(), read_before) == 0
    # The edit itself settled what was due, as it had been declared.
    assert [job.args for job in Job.objects.all()] == [["old"]]
    assert ledger_of(schedule) == ["10:01 enqueued"]


def test_a_tick_that_read_the_row_before_its_deletion_does_nothing_with_it(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.to("10:01")
    read_before = list(Schedule.objects.all())

    changes.delete(schedule, ALIAS)

    assert materialize(ALIAS, clock.now(), read_before) == 0
    assert Job.objects.count() == 0


NOW = at("10:00:30")
"""When whoever changes a schedule read the clock, before the tick that came first."""
CHANGES: dict[str, Callable[[Schedule], object]] = {
    "pause": lambda seen: changes.pause(seen, ALIAS, NOW, reason=""),
    "edit of a policy": lambda seen: changes.edit(seen, ALIAS, NOW, priority=3),
    "edit of the recurrence": lambda seen: changes.edit(seen, ALIAS, NOW, repeat="30"),
    "edit of the anchor": lambda seen: changes.edit(seen, ALIAS, NOW, anchor=at("09:00")),
    "declaration of a policy": lambda seen: changes.bring_in_line(spec(repeat=60, queue="mail"), ALIAS, NOW),
    "declaration of a recurrence": lambda seen: changes.bring_in_line(
        spec(cron="*/30 * * * * *", overlap="allow"), ALIAS, NOW
    ),
    "call that repeats from now": lambda seen: changes.bring_in_line(
        spec(repeat=10, overlap="allow", start="10:00:30"), ALIAS, NOW
    ),
    "call that repeats from long ago": lambda seen: changes.bring_in_line(
        spec(repeat=10, overlap="allow", start="09:00"), ALIAS, NOW
    ),
    "declaration of a one-off between the two": lambda seen: _settings_declare(seen, run_at=at("10:00:45")),
    "declaration of the instant that ran": lambda seen: changes.bring_in_line(spec(run_at=at("10:01")), ALIAS, NOW),
    "run now": lambda seen: changes.run_now(seen, ALIAS, NOW),
    "backfill": lambda seen: changes.backfill(seen, ALIAS, NOW, at("10:00"), at("10:00:30")),
    "new zone data": lambda seen: changes.replan(seen, ALIAS, NOW),
    "detach": lambda seen: _detach(seen),
    "resume": lambda seen: changes.resume(seen, ALIAS, NOW),
}


def _detach(seen: Schedule) -> None:
    Schedule.objects.filter(pk=seen.pk).update(source=Source.SETTINGS)
    changes.detach(seen, ALIAS, NOW)


def _settings_declare(seen: Schedule, **given: Any) -> None:
    """As those would whose schedule it is."""
    Schedule.objects.filter(pk=seen.pk).update(source=Source.SETTINGS)
    changes.bring_in_line(spec(source=Source.SETTINGS, **given), ALIAS, NOW)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_that_read_the_clock_before_a_tick_which_it_waited_for_takes_nothing_back(
    clock: VirtualClock, change: Callable[[Schedule], object]
) -> None:
    clock.declared(repeat=60, overlap="allow")
    seen = Schedule.objects.get()
    clock.tick("10:01:10")
    cursor = again(seen).settled_until

    change(seen)
    after = again(seen)
    clock.tick("10:02:30")

    assert after.settled_until >= cursor
    assert after.next_run_at is None or after.next_run_at > cursor
    assert again(seen).broken == ""
    assert ledger_of(seen).count("10:01 enqueued") == 1
    assert Job.objects.filter(scheduled_for=at("10:01")).count() == 1


def test_a_one_off_that_lies_before_what_was_decided_meanwhile_is_explained(clock: VirtualClock) -> None:
    schedule = clock.declared(repeat=60)
    clock.tick("10:01:10")

    CHANGES["declaration of a one-off between the two"](schedule)
    clock.tick("10:02")

    assert ledger_of(schedule) == ["10:00:45 missed", "10:01 enqueued"]


def test_a_repair_that_read_the_clock_before_a_tick_which_it_waited_for_undoes_nothing(clock: VirtualClock) -> None:
    """What the tick did looks like the work of a leap: it lies after the repair's now."""
    schedule = clock.declared(repeat=60)
    clock.tick("10:01:10")

    with pytest.raises(InvalidSchedule, match=r"^s: somebody changed it at the same moment\. Look at it again\.$"):
        changes.repair(schedule, ALIAS, NOW)

    assert ledger_of(schedule) == ["10:01 enqueued"]
    assert jobs_of(schedule) == ["10:01 ready"]


def test_a_resume_that_read_the_clock_before_the_pause_explains_nothing_as_paused_that_is_not(
    clock: VirtualClock,
) -> None:
    schedule = clock.declared(repeat=60, catch_up="all", overlap="allow")
    clock.tick("10:01:10")
    changes.pause(schedule, ALIAS, clock.now(), reason="")

    changes.resume(schedule, ALIAS, NOW)
    clock.tick("10:03")

    assert ledger_of(schedule) == ["10:01 enqueued", "10:02 enqueued", "10:03 enqueued"]


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What was told to have changed, such as "s paused"."""
    told: list[str] = []

    def note(name: str, change: str, **_: Any) -> None:
        told.append(f"{name} {change}")

    signals.schedule_changed.connect(note)
    yield told
    signals.schedule_changed.disconnect(note)


def test_each_change_is_told_once_it_is_committed(clock: VirtualClock, told: list[str]) -> None:
    with transaction.atomic():
        schedule = clock.declared(repeat=60)
        assert told == []
    changes.pause(schedule, ALIAS, clock.now(), reason="")
    changes.resume(schedule, ALIAS, clock.now())
    changes.edit(schedule, ALIAS, clock.now(), queue="mail")
    changes.delete(schedule, ALIAS)

    assert told == ["s created", "s paused", "s resumed", "s updated", "s deleted"]


def test_a_change_that_is_rolled_back_is_not_told(clock: VirtualClock, told: list[str]) -> None:
    schedule = clock.declared(repeat=60)
    with transaction.atomic():
        changes.pause(schedule, ALIAS, clock.now(), reason="")
        transaction.set_rollback(True)

    assert told == ["s created"]
    assert again(schedule).status == "active"
