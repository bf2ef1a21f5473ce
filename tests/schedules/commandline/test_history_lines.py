"""The ledger in `list_schedule NAME`: lines of different instants look different, on narrow terminals too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schedules.commandline.details import details
from schedules.commandline.look import Look
from schedules.commandline.terminal import Screen
from schedules.overview.values import HistoryLine, Upcoming

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
NIGHTLY = Upcoming(
    id=1,
    name="nightly",
    task="shop.tasks.nightly",
    arguments="[[],{}]",
    queue="default",
    source="code",
    declared_in="",
    expression="30 2 * * *",
    timezone="Europe/Paris",
    description="Every day at 02:30",
    status="active",
    next_runs=(),
    left_out=(),
    overdue_since=None,
    last_run=None,
    pause=None,
    enabled=True,
    broken="",
)


def line(instant: str) -> HistoryLine:
    at = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    return HistoryLine(at, None, 1, "nominal", "failed", "TimeoutError: upstream took too long", 1234567, at, 3.0)


@pytest.mark.parametrize("width", [60, 80, None])
@pytest.mark.parametrize(
    "instants",
    [
        ["2026-10-25 01:30", "2026-10-25 00:30"],
        ["2025-10-26 01:30", "2025-10-26 00:30"],
        ["2026-11-01 01:30", "2025-11-01 01:30", "2024-11-01 01:30"],
    ],
    ids=["the hour that comes twice", "that of another year", "the same day of each year"],
)
def test_lines_of_different_instants_look_different(width: int | None, instants: list[str]) -> None:
    look = Look("Europe/Paris", converts=False, screen=Screen(width=width, glyphs=width is not None))

    lines = list(details(NIGHTLY, [line(instant) for instant in instants], (), look, NOW))

    ledger = [each.split("✕" if width else "failed")[0] for each in lines[-len(instants) :]]
    assert len(set(ledger)) == len(instants)
    assert not any("…" in each for each in ledger)
    assert width is None or max(map(len, lines)) <= width
