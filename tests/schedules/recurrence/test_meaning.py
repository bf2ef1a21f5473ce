"""What a recurrence means, whatever it is spelled like: equal meanings have equal instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules.recurrence import instant_of, recurrence_of
from tests.schedules.recurrence.moments import at

ANCHOR = at("10:00")
PARIS = {"timezone": "Europe/Paris"}


def meaning(**given: Any) -> object:
    return recurrence_of(anchor=ANCHOR, **given).meaning


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"cron": "@daily"}, {"cron": "0 0 * * *"}),
        ({"cron": "0 9 * * MON"}, {"cron": "0 0 9 * * 1"}),
        ({"cron": "0 0 1-31 * *"}, {"cron": "0 0 * * *"}),
        ({"cron": "0 0 * * 0-7"}, {"cron": "0 0 * * *"}),
        ({"cron": "0 9 * * *"}, {"cron": "0 9 * * *", "dst_gap": "skip"}),
        ({"cron": "*/5 * * * *", **PARIS}, {"cron": "*/5 * * * *", "dst_overlap": "both", **PARIS}),
        ({"cron": "0 9 * * *"}, {"cron": "0 9 * * *", "timezone": "Etc/UTC"}),
        ({"cron": "0 9 * * *", "timezone": "Europe/Kiev"}, {"cron": "0 9 * * *", "timezone": "Europe/Kyiv"}),
        ({"repeat": 60}, {"repeat": "60", **PARIS}),
        ({"repeat": "12 months"}, {"repeat": "1 year"}),
        ({"repeat": "1 day"}, {"repeat": 86_400}),
        ({"run_at": ANCHOR}, {"run_at": ANCHOR.astimezone(), **PARIS}),
    ],
)
def test_what_is_spelled_otherwise_may_mean_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert meaning(**one) == meaning(**other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"cron": "0 9 * * *", **PARIS}, {"cron": "0 9 * * *"}),
        ({"cron": "30 2 * * *", **PARIS}, {"cron": "30 2 * * *", "dst_gap": "skip", **PARIS}),
        ({"cron": "* * * * *", **PARIS}, {"cron": "0-59 0-23 * * *", **PARIS}),
        ({"cron": "0 0 * * *"}, {"repeat": "1 day"}),
        ({"repeat": "1 day", **PARIS}, {"repeat": 86_400}),
        ({"repeat": "1 month", **PARIS}, {"repeat": "1 month"}),
        ({"repeat": 60}, {"repeat": 61}),
        ({"run_at": ANCHOR}, {"run_at": ANCHOR + timedelta(seconds=1)}),
    ],
)
def test_what_fires_at_other_instants_means_something_else(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert meaning(**one) != meaning(**other)


@pytest.mark.parametrize(
    ("reading", "zone", "instant"),
    [
        ("2026-07-02 03:00", "Europe/Paris", "2026-07-02 01:00"),
        ("2026-03-29 02:30", "Europe/Paris", "2026-03-29 01:00"),  # skipped: at the change
        ("2026-10-25 02:30", "Europe/Paris", "2026-10-25 00:30"),  # twice: the first time
        ("2011-12-30 12:00", "Pacific/Apia", "2011-12-30 10:00"),  # a day that was none: at the change
        ("2026-07-02 03:00", "UTC", "2026-07-02 03:00"),
        ("2090-07-02 03:00", "Europe/Paris", "2090-07-02 02:00"),
    ],
)
def test_a_reading_is_an_instant_as_a_fixed_time_is(reading: str, zone: str, instant: str) -> None:
    assert instant_of(datetime.fromisoformat(reading), zone) == datetime.fromisoformat(instant).replace(tzinfo=UTC)


@given(st.datetimes(), st.sampled_from(["Europe/Paris", "Pacific/Apia", "America/St_Johns", "UTC"]))
def test_every_reading_has_an_instant(reading: datetime, zone: str) -> None:
    assert instant_of(reading, zone).tzinfo is UTC
