"""Columns become values by their names: in which order anybody wrote the fields down plays no part."""

from __future__ import annotations

from datetime import UTC, date, datetime
from inspect import signature
from types import SimpleNamespace
from typing import Any

import pytest

from schedules.models import Schedule
from schedules.planning.columns import KINDS, POLICIES, RECURRENCE, TIMING, Columns, columns_of
from schedules.planning.policies import Policies
from schedules.recurrence import recurrence_of

OF_EACH_ITS_OWN: dict[str, Any] = {
    "starts_at": datetime(2026, 1, 1, tzinfo=UTC),
    "repeat_until": datetime(2027, 1, 1, tzinfo=UTC),
    "max_runs": 11,
    "exclude": "2026-12-24 2026-12-25",
    "catch_up": "earliest",
    "catch_up_window": 12,
    "max_catch_up": 13,
    "late_after": 14,
    "start_deadline": 15,
    "overlap": "allow",
    "jitter": 16,
    "retry_past_next": True,
}
"""A value for each policy that no other has."""
DAYS = (date(2026, 12, 24), date(2026, 12, 25))


class Row(Columns, SimpleNamespace):
    """Whatever has the columns."""


@pytest.mark.parametrize("name", OF_EACH_ITS_OWN)
def test_each_policy_is_what_the_column_of_its_name_says(name: str) -> None:
    given = OF_EACH_ITS_OWN[name]

    assert getattr(Row(**OF_EACH_ITS_OWN).policies, name) == (DAYS if name == "exclude" else given)


def test_every_policy_has_a_column() -> None:
    assert set(POLICIES) == set(OF_EACH_ITS_OWN)


def test_columns_and_policies_say_the_same_in_both_directions() -> None:
    assert columns_of(Row(**OF_EACH_ITS_OWN).policies) == OF_EACH_ITS_OWN
    assert columns_of(Row(**columns_of(Policies())).policies) == columns_of(Policies())


def test_rows_that_say_the_same_share_their_policies() -> None:
    assert Row(**OF_EACH_ITS_OWN).policies is Row(**OF_EACH_ITS_OWN).policies


def test_a_value_of_another_type_is_not_taken_for_its_equal() -> None:
    """A database without types may hold what no declaration would."""
    assert Row(**OF_EACH_ITS_OWN).policies.retry_past_next is True

    with pytest.raises(ValueError, match="retry_past_next is 1"):
        _ = Row(**{**OF_EACH_ITS_OWN, "retry_past_next": 1}).policies


def test_policies_are_given_by_name_alone() -> None:
    with pytest.raises(TypeError):
        Policies(datetime(2026, 1, 1, tzinfo=UTC))  # type: ignore[call-arg]


def test_a_recurrence_is_made_of_these_columns_and_the_name() -> None:
    assert set(signature(recurrence_of).parameters) == {*TIMING, "name"}
    assert {field.name for field in Schedule._meta.concrete_fields} >= set(TIMING)
    assert set(KINDS) < set(RECURRENCE) < set(TIMING)
