"""Instants in a terminal: as short as can be, and no two that are shown together look alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from schedules.commandline.moments import moment, stretch

PARIS, LORD_HOWE = "Europe/Paris", "Australia/Lord_Howe"
NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "shown"),
    [
        ("2026-11-28 01:30", "02:30"),
        ("2026-11-26 01:30", "Thu 02:30"),
        ("2026-12-24 01:30", "Thu 24 Dec 02:30"),
        ("2026-02-24 01:30", "Tue 24 Feb 02:30"),
        ("2026-01-15 01:30", "15 Jan 2026 02:30"),
        ("2027-02-24 01:30", "24 Feb 2027 02:30"),
        ("2025-12-24 01:30", "24 Dec 2025 02:30"),
    ],
)
def test_an_instant_has_a_date_and_a_year_where_its_time_would_not_tell(instant: str, shown: str) -> None:
    assert moment(utc(instant), PARIS, NOW) == shown


@pytest.mark.parametrize(
    ("instant", "timezone", "shown"),
    [
        ("2026-10-24 23:59", PARIS, "Sun 25 Oct 01:59"),
        ("2026-10-25 00:00", PARIS, "Sun 25 Oct 02:00+02:00"),
        ("2026-10-25 00:30", PARIS, "Sun 25 Oct 02:30+02:00"),
        ("2026-10-25 01:30", PARIS, "Sun 25 Oct 02:30+01:00"),
        ("2026-10-25 02:00", PARIS, "Sun 25 Oct 03:00"),
        ("2026-03-29 00:30", PARIS, "Sun 29 Mar 01:30"),
        ("2026-03-29 01:30", PARIS, "Sun 29 Mar 03:30"),
        ("2026-04-04 14:45", LORD_HOWE, "Sun 5 Apr 01:45+11:00"),
        ("2026-04-04 15:15", LORD_HOWE, "Sun 5 Apr 01:45+10:30"),
        ("2026-04-04 15:30", LORD_HOWE, "Sun 5 Apr 02:00"),
        ("2025-10-26 00:30", PARIS, "26 Oct 2025 02:30+02:00"),
    ],
)
def test_a_time_that_a_clock_shows_twice_has_its_offset(instant: str, timezone: str, shown: str) -> None:
    assert moment(utc(instant), timezone, NOW) == shown


@pytest.mark.parametrize("now", ["2026-03-29 08:30", "2026-10-25 08:30", "2026-11-28 09:00", "2026-12-31 23:30"])
@pytest.mark.parametrize("timezone", [PARIS, LORD_HOWE, "UTC", "Asia/Kathmandu"])
@pytest.mark.parametrize("direction", [-1, 1], ids=["past", "future"])
def test_no_two_instants_on_one_side_of_now_look_alike(now: str, timezone: str, direction: int) -> None:
    minutes = (timedelta(minutes=15 * count) for count in range(14 * 96))
    days = (timedelta(days=count, minutes=7) for count in range(730))
    instants = {utc(now) + direction * distance for distances in (minutes, days) for distance in distances}

    assert len({moment(instant, timezone, utc(now)) for instant in instants}) == len(instants)


def test_a_range_within_a_repeated_hour_tells_its_ends_apart() -> None:
    shown = stretch(utc("2026-10-25 00:30"), utc("2026-10-25 01:30"), PARIS, NOW, dash="–")

    assert shown == "Sun 25 Oct 02:30+02:00–02:30+01:00"
