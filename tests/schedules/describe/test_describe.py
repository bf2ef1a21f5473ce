"""Plain words for recurrences: the sentences, and the promise that none of them is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from django.utils.translation import override

from schedules.describe import describe
from schedules.describe.cron_sentences import sentence_of
from schedules.recurrence import (
    DAILY,
    EVERY_4_WEEKS,
    HOURLY,
    WEEKLY,
    CalendarEvery,
    Cron,
    Every,
    InvalidRecurrence,
    Once,
)
from schedules.recurrence.cron_grammar import parse

HALF_PAST_NINE = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("*/15 * * * *", "Every 15 minutes"),
        ("0 * * * *", "Every hour"),
        ("5 1 * * *", "Every day at 01:05"),
        ("0 7 * * MON-FRI", "Monday to Friday at 07:00"),
        ("0 */4 * * *", "Every 4 hours, at 00:00, 04:00, … 20:00"),
        ("30 2 1 * *", "Day 1 of every month at 02:30"),
        ("0 0 1,15 * 5", "At 00:00 on day 1 or 15 of the month, or any Friday"),
        ("*/7 * * * *", "Minutes 0, 7, … 56 of every hour (not evenly every 7)"),
        ("* * * * *", "Every minute"),
        ("* * * * * *", "Every second"),
        ("*/10 * * * * *", "Every 10 seconds"),
        ("15 30 2 * * *", "Every day at 02:30:15"),
        ("5 * * * *", "Minute 5 of every hour"),
        ("5-59/15 * * * *", "Minutes 5, 20, 35 and 50 of every hour"),
        ("*/15 9-17 * * 1-5", "Every 15 minutes from 09:00 to 17:45, Monday to Friday"),
        ("*/5 * * * 1,5", "Every 5 minutes, only on Monday and Friday"),
        ("* 2 * * *", "Every minute from 02:00 to 02:59"),
        ("0 9-17 * * *", "Every hour from 09:00 to 17:00"),
        ("30 1-23/2 * * *", "Every 2 hours, at 01:30, 03:30, … 23:30"),
        ("0 0,12 * * *", "Every day at 00:00 and 12:00"),
        ("0 */5 * * *", "Every day at 00:00, 05:00, … 20:00"),
        ("0 0 * * 0", "Every Sunday at 00:00"),
        ("0 0 * * 6,0", "Every Saturday and Sunday at 00:00"),
        ("0 0 * * 5-7", "Friday to Sunday at 00:00"),
        ("0 0 1,15 * *", "Days 1 and 15 of every month at 00:00"),
        ("0 0 31 * *", "Day 31 of every month that has one, at 00:00"),
        ("0 0 15,30 * *", "Days 15 and 30 of every month, as far as it has them, at 00:00"),
        ("0 0 L * *", "The last day of every month at 00:00"),
        ("0 0 * * 1#2", "The second Monday of every month at 00:00"),
        ("0 0 * * 0#5", "The fifth Sunday of every month that has one, at 00:00"),
        ("0 0 * * 5L", "The last Friday of every month at 00:00"),
        ("@yearly", "Every year on 1 January at 00:00"),
        ("0 0 1 */3 *", "Day 1 of January, April, July and October at 00:00"),
        ("0 0 1 * 1-5", "At 00:00 on day 1 of the month, or any day from Monday to Friday"),
        ("0 0 1 * 0-7", "Every day at 00:00"),
    ],
)
def test_an_expression_has_a_sentence(expression: str, sentence: str) -> None:
    assert describe(Cron(expression)) == sentence


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 */2 * 1",
        "0 0 15,L * *",
        "0 0 29 2 *",
        "0 7 * 6-8 *",
        "0 0 1,15 6 1",
        "0 0 * * 1,2#1",
        "0 0 L * 5",
        "*/2 */2 * * *",
        "*/10 * 1 * *",
        "*/10 0 * * * *",
        "1,2,3,5,8,13,21,34,55 * * * *",
    ],
)
def test_what_is_too_intricate_is_shown_as_it_stands(expression: str) -> None:
    assert describe(Cron(expression, "Asia/Tokyo")) == expression


TIMES = product(
    ["*", "0", "5", "*/7", "*/15", "0-50/10", "0,30", "7-59/7", "1-59", "0-58"],
    ["*", "9", "9-17", "*/4", "*/5", "0,12", "1-23/2", "9-10", "0-12/4", "4-20/4"],
)
DAYS = product(
    ["*", "1", "31", "15,L", "L", "*/2", "2-31", "1,15", "1-31", "15,29", "29", "1-28"],
    ["*", "2", "*/3", "6", "4,6,9,11"],
    ["*", "5", "1-5", "0-7", "5#1", "5L", "*/2", "0,6", "5#5", "5#4", "1-6", "7,5#1"],
)
EXPRESSIONS = [f"{minute} {hour} * * *" for minute, hour in TIMES] + [f"30 2 {' '.join(days)}" for days in DAYS]


def test_no_two_meanings_share_a_sentence() -> None:
    meanings: dict[str, set[Any]] = {}
    for expression in EXPRESSIONS:
        if (sentence := sentence_of(parse(expression))) is not None and occurs(expression):
            meanings.setdefault(sentence, set()).add(meaning(expression))
    assert len(meanings) > 90
    assert [sentence for sentence, different in meanings.items() if len(different) > 1] == []


def occurs(expression: str) -> bool:
    try:
        Cron(expression)
    except InvalidRecurrence:
        return False
    return True


def meaning(expression: str) -> Any:
    """The times, and the days of six years, on which the expression matches."""
    fields = parse(expression)
    daily = Cron(" ".join(["0 0", *expression.split()[2:]]))
    days = tuple(daily.between(datetime(2023, 12, 31, 12, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)))
    return fields.minutes, fields.hours, days


@pytest.mark.parametrize(
    ("seconds", "sentence"),
    [
        (1, "Every second"),
        (30, "Every 30 seconds"),
        (60, "Every minute"),
        (90, "Every 1 min 30 s"),
        (300, "Every 5 minutes"),
        (HOURLY, "Every hour"),
        (DAILY, "Every 24 hours"),
        (2 * DAILY, "Every 2 days"),
        (WEEKLY, "Every week"),
        (EVERY_4_WEEKS, "Every 4 weeks"),
        (90_061, "Every 1 d 1 h 1 min 1 s"),
    ],
)
def test_an_interval_has_a_sentence(seconds: int, sentence: str) -> None:
    assert describe(Every(seconds)) == sentence


@pytest.mark.parametrize(
    ("every", "unit", "anchor", "sentence"),
    [
        (1, "day", "2026-01-05", "Every day at 10:30"),
        (3, "day", "2026-07-05", "Every 3 days at 11:30"),
        (1, "month", "2026-01-05", "Every month on day 5 at 10:30"),
        (2, "month", "2026-01-31", "Every 2 months on day 31, or the last day if there is none, at 10:30"),
        (1, "year", "2026-01-05", "Every year on 5 January at 10:30"),
        (1, "year", "2024-02-29", "Every year on the last day of February at 10:30"),
    ],
)
def test_a_calendar_repeat_has_a_sentence(every: int, unit: Any, anchor: str, sentence: str) -> None:
    first = datetime.fromisoformat(f"{anchor}T09:30+00:00")
    assert describe(CalendarEvery(every, unit, first, "Europe/Paris"), "Europe/Paris") == sentence


def test_the_zone_is_named_where_it_is_not_the_projects() -> None:
    nightly = Cron("30 2 * * *", "Europe/Paris")
    assert describe(nightly, "Europe/Paris") == "Every day at 02:30"
    assert describe(nightly, "UTC") == "Every day at 02:30 (Europe/Paris)"
    monthly = CalendarEvery(1, "month", HALF_PAST_NINE, "Europe/Paris")
    assert describe(monthly) == "Every month on day 5 at 10:30 (Europe/Paris)"


def test_one_instant_is_told_in_the_projects_zone() -> None:
    assert describe(Once(HALF_PAST_NINE), "Asia/Tokyo") == "Once, on 2026-01-05 at 18:30"


def test_a_drawn_value_is_told() -> None:
    drawn = parse("H H * * *", "nightly")
    clock = f"{drawn.hours[0]:02}:{drawn.minutes[0]:02}"
    assert describe(Cron("H H * * *", name="nightly")) == f"Every day at {clock}"


def test_words_are_in_the_active_language() -> None:
    with override("de"):
        assert "Freitag" in describe(Cron("0 0 * * 5"))
        assert "März" in describe(Cron("0 0 1 3 *"))
