"""The same line is not said a thousand times, and what is left out is counted."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from worker import events
from worker.repeats import FORGOTTEN_AFTER, LONGEST, MOST_KINDS, SHORTEST, Repeats


def test_of_a_line_that_comes_each_second_a_handful_is_said_in_a_minute_and_all_are_counted() -> None:
    repeats = Repeats()
    said = {
        second: left for second in range(60) if (left := repeats.left_out(f"lost, try {second}", second)) is not None
    }

    assert said == {0: 0, 1: 0, 2: 0, 7: 4, 17: 9, 37: 19}


def test_lines_that_differ_in_a_duration_only_are_the_same() -> None:
    repeats = Repeats()
    durations = ["2h 59m", "1h", "4m 12s", "5m", "3s", "1.0s", "8d"]

    said = [repeats.left_out(f"next run in {duration} (s)", 0) is not None for duration in durations]

    assert said == [True, True, True, False, False, False, False]


def test_it_is_said_once_in_ten_minutes_however_long_it_goes_on() -> None:
    repeats = Repeats()
    said = [second for second in range(86_400) if repeats.left_out("lost", second) is not None]

    assert said[-1] > 86_400 - LONGEST - 1
    assert len(said) < 160


def test_another_line_is_said_at_once_and_one_that_came_long_ago_as_if_for_the_first_time() -> None:
    repeats = Repeats()

    assert repeats.left_out("lost", 0.0) == 0
    assert repeats.left_out("full", 0.1) == 0
    assert [repeats.left_out("lost", 0.2) for _ in range(3)] == [0, 0, None]
    assert [repeats.left_out("lost", 0.3 + FORGOTTEN_AFTER) for _ in range(4)] == [0, 0, 0, None]
    assert repeats.left_out("lost", 0.4 + FORGOTTEN_AFTER + SHORTEST) == 1


def test_lines_of_any_number_of_kinds_take_little_memory() -> None:
    repeats = Repeats()
    for number in range(10 * MOST_KINDS):
        repeats.left_out("x" * number, 0.0)

    assert len(repeats._said) <= MOST_KINDS


def test_a_line_says_how_often_it_was_left_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([0, None, None, 2])
    monkeypatch.setattr(events, "_repeats", SimpleNamespace(left_out=lambda *_: next(answers)))

    for number in range(4):
        events.say_seldom(logging.getLogger("worker").warning, "job %d waits", number)

    assert caplog.messages == ["job 0 waits", "job 3 waits (and 2 more like it)"]
