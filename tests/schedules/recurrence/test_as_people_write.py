"""Intervals with a unit, and cron with whole names."""

from __future__ import annotations

import pytest

from schedules.recurrence import Cron, InvalidRecurrence, parse_repeat, recurrence_of


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("5 minutes", "300"),
        ("1 hour", "3600"),
        ("1 Hours", "3600"),
        ("90 seconds", "90"),
        ("24 hours", "86400"),
        ("2 weeks", "14 days"),
        ("1 day", "1 day"),
        ("1 month", "1 month"),
        ("3200000000 seconds", "3200000000"),
        ("53333333 minutes", "3199999980"),
        ("888888 hours", "3199996800"),
    ],
)
def test_an_interval_may_be_written_with_its_unit(written: str, stored: str) -> None:
    assert parse_repeat(written) == stored
    assert parse_repeat(stored) == stored
    assert recurrence_of(repeat=written) == recurrence_of(repeat=stored)


UNITS = "seconds, minutes, hours, days, weeks, months or years"


@pytest.mark.parametrize(
    "written", ["hourly", "5 fortnights", "5m", "1.5 hours", "0 minutes", "53333334 minutes", "888889 hours", -1, 0.5]
)
def test_what_is_no_interval_is_answered_with_the_units(written: str | float) -> None:
    with pytest.raises(InvalidRecurrence, match=UNITS):
        parse_repeat(written)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        ("0 9 * * monday", "0 9 * * mon"),
        ("0 9 * * MONDAY-Friday", "0 9 * * mon-fri"),
        ("0 9 * january,march *", "0 9 * jan,mar *"),
        ("0 9 * january-december/3 *", "0 9 * jan-dec/3 *"),
        ("0 9 * * wednesday#2", "0 9 * * wed#2"),
        ("0 9 * * fridayL", "0 9 * * friL"),
        ("0 9 * * Lfriday", "0 9 * * Lfri"),
        ("0 9 1 may *", "0 9 1 5 *"),
    ],
)
def test_whole_names_mean_what_short_ones_do(whole: str, short: str) -> None:
    assert Cron(whole).meaning == Cron(short).meaning


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("0 9 * * mond", r'day-of-week "mond" is not understood .*\(0-7 or sun-sat, field 5\)'),
        ("0 9 * janury *", r'month "janury" is not understood .*\(1-12 or jan-dec, field 4\)'),
        ("0 9 * * january", r"sun-sat"),
        ("0 9 monday * *", r"\(1-31, field 3\)"),
    ],
)
def test_what_is_no_name_is_answered_with_the_names(expression: str, told: str) -> None:
    with pytest.raises(InvalidRecurrence, match=told):
        Cron(expression)
