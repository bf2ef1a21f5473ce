"""Over random policies, downtimes and looks at the clock: each occurrence is accounted for, exactly once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schedules.planning import Standing, decide
from schedules.planning.policies import CatchUp, Overlap, Policies
from schedules.recurrence import Cron, Every, Recurrence
from tests.schedules.recurrence.moments import at

ZONE = "Europe/Paris"
STARTS = [at("10:00"), datetime(2026, 3, 28, 20, 0, tzinfo=UTC), datetime(2026, 10, 24, 20, 0, tzinfo=UTC)]
"""Beside a plain day, the evenings before the clock is put forward and back."""

RECURRENCES = st.one_of(
    st.builds(Every, st.integers(1, 5000), st.sampled_from(STARTS)),
    st.builds(
        Cron,
        st.sampled_from(["*/7 * * * *", "30 2 * * *", "15,45 1-3 * * *", "0 */2 * * *"]),
        st.just(ZONE),
        dst_gap=st.sampled_from(["run", "skip"]),
        dst_overlap=st.sampled_from(["first", "second", "both"]),
    ),
)
POLICIES = st.builds(
    Policies,
    starts_at=st.none() | st.sampled_from([start + timedelta(minutes=50) for start in STARTS]),
    repeat_until=st.none() | st.sampled_from([start + timedelta(hours=9) for start in STARTS]),
    max_runs=st.none() | st.integers(1, 8),
    exclude=st.sets(st.sampled_from([(start + timedelta(hours=6)).date() for start in STARTS])).map(tuple),
    catch_up=st.sampled_from(list(CatchUp)),
    catch_up_window=st.none() | st.integers(0, 7200),
    max_catch_up=st.integers(1, 6),
    late_after=st.integers(0, 600),
    start_deadline=st.none() | st.integers(1, 600),
    overlap=st.sampled_from(list(Overlap)),
    jitter=st.sampled_from([0, 600]),
)
LOOKS = st.lists(st.tuples(st.integers(0, 20_000), st.booleans(), st.booleans()), min_size=1, max_size=6)
"""Seconds since the look before, and whether a job of the schedule is unfinished, or one waits behind it."""


@given(RECURRENCES, POLICIES, st.sampled_from(STARTS), LOOKS)
def test_every_occurrence_is_accounted_for_exactly_once(
    recurrence: Recurrence, policies: Policies, start: datetime, looks: list[tuple[int, bool, bool]]
) -> None:
    standing, now = Standing(start), start
    ran: list[datetime] = []
    not_run: list[datetime] = []

    for seconds, busy, waiting in looks:
        now += timedelta(seconds=seconds)
        plan = decide(recurrence, policies, replace(standing, busy=busy, waiting=waiting), now, seed="s", timezone=ZONE)
        standing = Standing(plan.cursor, standing.runs + len(plan.runs))
        ran += [run.scheduled_for for run in plan.runs]
        for line in plan.not_run:
            instants = [each for each in known(recurrence, start, now) if line.first <= each <= line.last]
            assert (instants[0], instants[-1], len(instants)) == (line.first, line.last, line.count)
            not_run += instants
        if plan.next_run_at is None:
            break

    assert sorted(ran + not_run) == expected(recurrence, policies, start, now, ran)


def known(recurrence: Recurrence, start: datetime, end: datetime) -> list[datetime]:
    """The occurrences in (start, end], and those that the clock skipped."""
    skipped = recurrence.skipped(start, end) if isinstance(recurrence, Cron) else ()
    return sorted([*recurrence.between(start, end), *skipped])


def expected(
    recurrence: Recurrence, policies: Policies, start: datetime, now: datetime, ran: list[datetime]
) -> list[datetime]:
    last = min(now, policies.repeat_until or now)
    if policies.max_runs is not None and len(ran) >= policies.max_runs:
        assert len(ran) == policies.max_runs
        last = ran[-1]
    return [each for each in known(recurrence, start, last) if policies.starts_at is None or each >= policies.starts_at]
