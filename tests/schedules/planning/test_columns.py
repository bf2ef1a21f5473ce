"""The names of the columns that say when a schedule runs stand in one place, and are those of the recurrences."""

from __future__ import annotations

from inspect import signature

from schedules.models import Schedule
from schedules.planning.columns import KINDS, RECURRENCE, TIMING
from schedules.recurrence import recurrence_of


def test_a_recurrence_is_made_of_these_columns_and_the_name() -> None:
    assert set(signature(recurrence_of).parameters) == {*TIMING, "name"}
    assert {field.name for field in Schedule._meta.concrete_fields} >= set(TIMING)
    assert set(KINDS) < set(RECURRENCE) < set(TIMING)
