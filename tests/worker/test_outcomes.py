"""Outcomes are values; these are the checks they make of themselves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from worker.outcomes import LONGEST_ERRORS, Error, with_error
from worker.raised import Snooze


@pytest.mark.parametrize(
    ("delay", "seconds"), [(0, 0), (5, 5), (0.25, 0.25), (timedelta(minutes=2), 120), (timedelta(days=3650), 315360000)]
)
def test_a_snooze_takes_seconds_or_a_timedelta(delay: Any, seconds: float) -> None:
    assert Snooze(delay).seconds == seconds


@pytest.mark.parametrize(
    "delay", [-1, timedelta(seconds=-1), float("inf"), float("nan"), 1e15, timedelta.max], ids=repr
)
def test_a_snooze_that_no_clock_could_show_is_refused(delay: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        Snooze(delay)


def test_an_error_is_one_line_whatever_it_holds() -> None:
    hostile = "line\nnext\r\u2028\x85\x00\ud800 \U0001f514"
    error = Error(3, "ValueError", hostile, hostile, datetime(2026, 7, 1, 10, tzinfo=UTC))

    line = error.as_line()

    assert line.splitlines() == [line]
    assert line.isascii()
    assert json.loads(line) == {
        "attempt": 3,
        "kind": "ValueError",
        "message": hostile,
        "traceback": hostile,
        "at": "2026-07-01T10:00:00+00:00",
        "exception": "",
    }


@pytest.mark.parametrize("length", [0, 1_000, 50_000, LONGEST_ERRORS])
def test_of_errors_without_end_the_first_and_the_latest_are_kept(length: int) -> None:
    attempts = range(1, 401)
    errors = ""
    for attempt in attempts:
        errors = with_error(errors, Error(attempt, "ValueError", "x" * length, "", datetime(2026, 7, 1, tzinfo=UTC)))

    kept = [json.loads(line)["attempt"] for line in errors.splitlines()]
    assert kept[0] == 1
    assert kept[1:] == [*attempts][1 - len(kept) :]
    assert len(errors) <= max(LONGEST_ERRORS, 2 * length + 300)
    assert length > 0 or kept == [*attempts]
