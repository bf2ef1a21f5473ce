"""What a value has to be, told in the same words wherever it is given."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from worker.messages.expected import (
    EARLIEST,
    LATEST,
    a_whole_number,
    is_instant,
    is_number,
    is_short_text,
    is_whole,
    must_be,
)


@pytest.mark.parametrize("value", [1, 5, 10])
def test_whole_numbers_in_the_range_are_whole_numbers(value: int) -> None:
    assert is_whole(value, 1, 10)
    assert is_number(value, 1, 10)


@pytest.mark.parametrize("value", [0, 11, True, 1.0, "5", None, 10**400, float("nan")])
def test_what_is_outside_or_no_whole_number_is_not(value: Any) -> None:
    assert not is_whole(value, 1, 10)


@pytest.mark.parametrize("value", [0.5, 0, 86_400.0])
def test_numbers_in_the_range_are_numbers(value: float) -> None:
    assert is_number(value, 0, 86_400)


@pytest.mark.parametrize("value", [-0.1, 86_401, True, "0", float("nan"), float("inf"), 10**400])
def test_what_is_outside_or_no_number_is_not(value: Any) -> None:
    assert not is_number(value, 0, 86_400)


@pytest.mark.parametrize("value", [EARLIEST, LATEST, datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=2)))])
def test_an_aware_datetime_that_every_database_keeps_is_an_instant(value: datetime) -> None:
    assert is_instant(value)


@pytest.mark.parametrize("value", [datetime(2026, 7, 1), EARLIEST - timedelta(seconds=1), "2026-07-01", None])
def test_any_other_value_is_none(value: Any) -> None:
    assert not is_instant(value)


@pytest.mark.parametrize(
    ("value", "good"), [("", True), ("Почта", True), ("x" * 256, False), ("a\nb", False), (7, False)]
)
def test_a_short_text_is_one_that_people_can_read_on_one_line(value: Any, good: bool) -> None:
    assert is_short_text(value) is good


def test_the_sentence_says_what_was_given_and_what_is_expected() -> None:
    assert must_be("THREADS", "4", a_whole_number(1, 10)) == "THREADS is '4', but must be a whole number from 1 to 10."
