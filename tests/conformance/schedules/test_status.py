"""A schedule's status: what the row says is what SQL finds, on every database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from schedules.models import Schedule, Status
from tests.conformance.model.virtual import VirtualClock
from tests.schedules.recurrence.moments import at
from worker.clock import DatabaseNow

NOW = at("10:00")
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
ROWS: dict[str, tuple[Status, dict[str, Any]]] = {
    "active": (Status.ACTIVE, {}),
    "overdue": (Status.ACTIVE, {"settled_until": NOW - 9 * HOUR, "next_run_at": NOW - 8 * HOUR}),
    "ended": (Status.ENDED, {"next_run_at": None}),
    "paused": (Status.PAUSED, {"paused_at": NOW, "next_run_at": None}),
    "broken": (Status.BROKEN, {"broken": "why", "next_run_at": None}),
    "broken and paused": (Status.BROKEN, {"broken": "why", "paused_at": NOW, "next_run_at": None}),
    "retired": (Status.RETIRED, {"retired_at": NOW, "broken": "why", "paused_at": NOW, "next_run_at": None}),
    "a period ahead": (Status.ACTIVE, {"settled_until": NOW + HOUR, "next_run_at": NOW + 2 * HOUR}),
    "ahead": (Status.BROKEN, {"settled_until": NOW + HOUR + TICK, "next_run_at": NOW + 2 * HOUR}),
    "ahead, without an anchor": (
        Status.BROKEN,
        {"settled_until": NOW + 3 * HOUR, "next_run_at": NOW + 4 * HOUR, "anchor": None},
    ),
    "not begun": (
        Status.ACTIVE,
        {"settled_until": NOW + 9 * HOUR - TICK, "next_run_at": NOW + 9 * HOUR, "anchor": NOW + 9 * HOUR},
    ),
    "at the end of time": (
        Status.BROKEN,
        {"settled_until": at("9999-12-31 23:00"), "next_run_at": at("9999-12-31 23:59")},
    ),
}


@pytest.fixture
def rows(clock: VirtualClock) -> list[Schedule]:
    for name, (_, columns) in ROWS.items():
        Schedule.objects.filter(pk=clock.declared(name=name, repeat=3600).pk).update(**columns)
    return list(Schedule.objects.all())


def test_a_row_has_the_status_that_is_the_gravest(rows: list[Schedule]) -> None:
    assert {row.name: row.status_at(NOW) for row in rows} == {name: status for name, (status, _) in ROWS.items()}


@pytest.mark.parametrize("status", Status)
def test_sql_finds_the_rows_of_a_status(rows: list[Schedule], status: Status) -> None:
    found = Schedule.objects.with_status(status, NOW)

    assert {row.name for row in found} == {name for name, (theirs, _) in ROWS.items() if theirs == status}


def test_sql_finds_what_is_ahead_of_the_clock(rows: list[Schedule]) -> None:
    assert {row.name for row in Schedule.objects.ahead(NOW)} == {row.name for row in rows if row.is_ahead(NOW)}


@pytest.mark.parametrize("settled_until", [at("2000-01-01 00:00"), at("9000-01-01 00:00")], ids=["behind", "ahead"])
def test_the_database_s_own_clock_will_do(clock: VirtualClock, settled_until: datetime) -> None:
    clock.declared(name="x", repeat=3600)
    Schedule.objects.update(settled_until=settled_until, next_run_at=settled_until + HOUR, anchor=None)

    assert Schedule.objects.ahead(DatabaseNow()).exists() == (settled_until.year == 9000)
    assert Schedule.objects.active(DatabaseNow()).exists() == (settled_until.year == 2000)


def test_a_word_that_is_no_status_is_refused(clock: VirtualClock) -> None:
    with pytest.raises(ValueError, match="'gone' is not a valid Status"):
        Schedule.objects.with_status("gone", NOW)
