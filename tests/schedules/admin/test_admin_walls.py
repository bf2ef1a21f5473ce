"""Instants by the clock of a schedule's zone, on the pages of the admin."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from schedules.admin.outlook import wall

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "timezone", "shown"),
    [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "Europe/Paris", "Sun 25 Oct, 02:30 +02:00"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Europe/Paris", "Sun 25 Oct, 02:30 +01:00"),
        (datetime(2026, 10, 25, 2, 30, tzinfo=UTC), "Europe/Paris", "Sun 25 Oct, 03:30"),
        (datetime(2026, 10, 25, 2, 30, tzinfo=UTC), "Mars/Olympus", "Sun 25 Oct, 02:30"),
    ],
)
def test_a_time_that_a_clock_shows_twice_has_its_offset(instant: datetime, timezone: str, shown: str) -> None:
    assert re.sub("<.+?>", "", wall(instant, timezone, NOW)) == shown
