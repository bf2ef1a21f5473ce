"""What a tick reads of a schedule is what the schedule says, column by column."""

from __future__ import annotations

from schedules.models import Schedule
from schedules.occurrences.due_schedules import DueSchedule, due_schedules
from schedules.planning.columns import POLICIES, TIMING
from tests.conformance.model.virtual import ALIAS, VirtualClock, again
from tests.schedules.recurrence.moments import DAY, at


def declared_in_every_column(clock: VirtualClock) -> Schedule:
    return clock.declared(
        cron="* * * * *",
        timezone="Europe/Riga",
        dst_gap="skip",
        dst_overlap="both",
        args=["eu"],
        queue="mail",
        priority=7,
        verbose_name="Report",
        creator="shop.User:7",
        starts_at=at("09:00"),
        repeat_until=at("23:00"),
        max_runs=11,
        exclude=[DAY.replace(day=2)],
        catch_up="earliest",
        catch_up_window=1200,
        max_catch_up=13,
        late_after=14,
        start_deadline=15,
        overlap="allow",
        jitter=16,
        retry_past_next=True,
    )


def test_a_tick_reads_of_each_column_what_is_in_it(clock: VirtualClock) -> None:
    row = again(declared_in_every_column(clock))

    (read,) = due_schedules(ALIAS, at("10:01"), 10)

    assert read._asdict() == {name: getattr(row, name) for name in DueSchedule._fields}
    assert (read.recurrence, read.policies) == (row.recurrence, row.policies)


def test_a_tick_reads_all_that_a_decision_needs() -> None:
    assert {*TIMING, *POLICIES, "name"} <= set(DueSchedule._fields)
