"""How long a failed job waits: pure arithmetic."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.backoff import LONGEST, LONGEST_DOUBLED, SPREAD, Delays, delay, problem
from worker.options import Options


@pytest.mark.parametrize(
    ("backoff", "attempt", "least"),
    [
        (15.0, 1, 15),
        (15.0, 2, 30),
        (15.0, 3, 60),
        (15.0, 5, 240),
        (15, 4, 120),
        (0.5, 2, 1),
        (0, 7, 0),
        (15.0, 8, 1920),
        (15.0, 9, LONGEST_DOUBLED),
        (15.0, 10_000, LONGEST_DOUBLED),
        (7200.0, 1, 7200),
        (7200.0, 9, 7200),
        ([1, 10, 60], 1, 1),
        ([1, 10, 60], 2, 10),
        ([1, 10, 60], 3, 60),
        ([1, 10, 60], 4, 60),
        ((0,), 9, 0),
    ],
)
def test_the_delay_doubles_or_follows_the_list(backoff: Delays, attempt: int, least: float) -> None:
    assert least <= delay(backoff, attempt, job_id=7) <= least * (1 + SPREAD)


def test_the_default_outlasts_an_outage_of_a_few_hours_and_no_working_day() -> None:
    default = Options()

    waited = sum(delay(default.BACKOFF, attempt, job_id=7) for attempt in range(1, default.MAX_ATTEMPTS))

    assert 4 * 3600 <= waited <= 5 * 3600


@given(
    st.floats(0, LONGEST) | st.lists(st.floats(0, LONGEST), min_size=1),
    st.integers(1, 10_000),
    st.integers(1, 2**63 - 1),
)
def test_a_delay_is_within_bounds_and_always_the_same(backoff: Delays, attempt: int, job_id: int) -> None:
    seconds = delay(backoff, attempt, job_id)

    assert 0 <= seconds <= LONGEST * (1 + SPREAD)
    assert delay(backoff, attempt, job_id) == seconds


def test_jobs_that_failed_together_do_not_come_back_together() -> None:
    delays = {delay(60, 1, job_id) for job_id in range(1000)}

    assert len(delays) > 990
    assert max(delays) - min(delays) > 0.9 * 60 * SPREAD


@pytest.mark.parametrize("backoff", [0, 15, 15.5, LONGEST, [0], [1, 2.5], (1, 2)])
def test_seconds_and_lists_of_seconds_are_good(backoff: object) -> None:
    assert problem(backoff) is None


@pytest.mark.parametrize(
    "backoff", [-1, LONGEST + 1, float("nan"), float("inf"), True, None, "15", [], [1, -1], [True], {1: 2}]
)
def test_what_is_no_backoff_is_told_with_what_is_expected(backoff: Any) -> None:
    assert problem(backoff) == f"{backoff!r} is no backoff: give seconds, or a list of them, from 0 to 86400."
