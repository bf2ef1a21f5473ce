"""What other schedulers and other people write: the message names the way that works, and none that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytz

from schedules.recurrence import CalendarEvery, Cron, Every, InvalidRecurrence, parse_repeat, recurrence_of
from schedules.recurrence.zones import check_timezone

ANCHOR = datetime(2026, 7, 1, 10, tzinfo=UTC)


def refusal(expression: str = "0 9 * * *", zone: Any = "UTC") -> str:
    with pytest.raises(InvalidRecurrence) as refused:
        Cron(expression, zone)
    return str(refused.value)


@pytest.mark.parametrize(
    ("zone", "instead"),
    [
        ("UTC+2", '"Etc/GMT-2", which is 2 h ahead of UTC all year'),
        ("GMT-08:00", '"Etc/GMT+8", which is 8 h behind UTC all year'),
        ("+02:00", '"Etc/GMT-2", which is 2 h ahead of UTC all year'),
        ("UTC+0", 'such as "Europe/Paris", or "UTC".'),
        ("+05:30", 'It is an offset: name a place whose clock is meant, such as "Europe/Paris".'),
        ("UTC+15", 'It is an offset: name a place whose clock is meant, such as "Europe/Paris".'),
        ("Z", 'Write "UTC".'),
        ("PST", 'An abbreviation may mean several: name a place whose clock is meant, such as "America/Los_Angeles".'),
        ("XYZ", 'An abbreviation may mean several: name a place whose clock is meant, such as "Europe/Paris".'),
        ("cet", 'Did you mean "CET"?'),
        ("europe/pari", 'Did you mean "Europe/Paris"?'),
        (timezone(timedelta(hours=2), "Europe/Paris"), '"Etc/GMT-2", which is 2 h ahead of UTC all year'),
    ],
)
def test_a_text_that_is_no_zone_is_answered_with_one_that_is_meant(zone: Any, instead: str) -> None:
    assert refusal(zone=zone).endswith(instead) or f"{instead}." in refusal(zone=zone)


@pytest.mark.parametrize("hours", [-12, -3, 3, 14])
def test_the_zone_that_is_named_for_an_offset_has_it(hours: int) -> None:
    named = refusal(zone=f"UTC{hours:+d}").split('"Etc/')[1].split('"')[0]
    assert pytz.timezone(f"Etc/{named}").utcoffset(None) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (ZoneInfo("Europe/Paris"), "Europe/Paris"),
        (pytz.timezone("Asia/Kolkata"), "Asia/Kolkata"),
        (pytz.utc, "UTC"),
        (UTC, "UTC"),
    ],
)
def test_a_zone_itself_may_be_given_instead_of_its_name(zone: Any, name: str) -> None:
    assert check_timezone(zone) == name
    assert Cron("0 9 * * *", zone) == Cron("0 9 * * *", name)
    assert CalendarEvery(2, "day", ANCHOR, zone) == CalendarEvery(2, "day", ANCHOR, name)


@pytest.mark.parametrize("zone", [pytz.FixedOffset(90), 7, None])
def test_what_has_no_name_is_no_zone(zone: Any) -> None:
    assert "is not a time zone: expected a name like" in refusal(zone=zone)


@pytest.mark.parametrize(
    ("expression", "instead"),
    [
        ("CRON_TZ=Europe/Paris 0 9 * * *", 'give timezone="Europe/Paris" (--timezone with list_schedule), and "0 9 *'),
        ("TZ=Asia/Tokyo */5 * * * *", 'timezone="Asia/Tokyo"'),
        ("@every 5m", "give repeat=300, in seconds, instead"),
        ("@every 1h30m10s", "give repeat=5410, in seconds, instead"),
        ("@every 100ms", "give repeat=…, in seconds, instead"),
        ("@every", "give repeat=…, in seconds, instead"),
        ("*/90 * * * *", "For every 90 minutes give repeat=5400 instead"),
        ("0 */36 * * *", "For every 36 hours give repeat=129600 instead"),
        ("0 0 */45 * *", 'For every 45 days give repeat="45 days" instead'),
        ("0 0 1 */18 *", 'For every 18 months give repeat="18 months" instead'),
        ("0 0 L-3 * *", "(give L, or a day that every month has)"),
        ("H H * * *", '(name="…"; --name with list_schedule)'),
    ],
)
def test_what_others_write_in_an_expression_is_answered_with_what_does_the_same(expression: str, instead: str) -> None:
    assert instead in refusal(expression)


@pytest.mark.parametrize("expression", ["*/0 * * * *", "0 0 * * */9", f"*/{'9' * 900} * * * *"])
def test_a_step_for_which_there_is_no_interval_gets_no_hint(expression: str) -> None:
    assert "give" not in refusal(expression)


@pytest.mark.parametrize("repeat", [5400, "45 days", "18 months"])
def test_what_a_message_names_is_an_interval(repeat: Any) -> None:
    assert recurrence_of(repeat=repeat, anchor=ANCHOR).after(ANCHOR) is not None


def test_weeks_are_days_by_the_clock_of_the_zone() -> None:
    assert parse_repeat("2 weeks") == "14 days" == parse_repeat("2 Week")
    paris = recurrence_of(repeat="1 week", anchor=datetime(2026, 10, 19, 7, tzinfo=UTC), timezone="Europe/Paris")
    assert paris.after(datetime(2026, 10, 20, tzinfo=UTC)) == datetime(2026, 10, 26, 8, tzinfo=UTC)
    assert not isinstance(paris, Every)


def test_too_many_weeks_are_refused_as_weeks() -> None:
    with pytest.raises(InvalidRecurrence, match="expected 1-5200 weeks"):
        parse_repeat("9999 weeks")
