"""The option `keep`: what it says by outcome, and what is refused where it is declared."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from schedules import background, scheduled
from schedules.declarations.background import declare_task
from schedules.testing import isolated_registry
from worker import tasks
from worker.api import InvalidTask
from worker.keeping import AS_SETTINGS, Keep, read
from worker.models import FinishedState
from worker.own_options import keep_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def report() -> None: ...


NAME = f"{__name__}.report"


def test_a_keep_has_each_outcome_that_history_has() -> None:
    assert list(Keep._fields) == FinishedState.values


@pytest.mark.parametrize(
    ("given", "means"),
    [
        (HOUR, Keep(3600, 3600, 3600, 3600)),
        (None, Keep(0, 0, 0, 0)),
        ({}, AS_SETTINGS),
        ({"succeeded": None, "failed": DAY}, Keep(succeeded=0, failed=86_400)),
        ({"cancelled": HOUR, "missed": HOUR}, Keep(cancelled=3600, missed=3600)),
    ],
)
def test_what_is_given_is_said_of_each_outcome_and_the_settings_say_the_rest(given: Any, means: Keep) -> None:
    with isolated_registry(empty=True):
        declared = declare_task(report, None, {"keep": given})

        assert declared.task.keep == means == read(given)
        assert keep_of(NAME, None) == means


def test_what_is_not_given_is_left_to_the_settings() -> None:
    with isolated_registry(empty=True):
        declare_task(report, None, {})

        assert keep_of(NAME, None) == keep_of("somebody.else", None) == AS_SETTINGS


def test_a_schedule_in_code_may_be_of_a_task_that_says_it() -> None:
    with isolated_registry(empty=True):
        scheduled(repeat=60, keep=None)(report)

        assert tasks.get(NAME).keep == Keep(0, 0, 0, 0)


def test_a_row_says_it_over_the_declaration_and_what_cannot_be_read_says_nothing() -> None:
    with isolated_registry(empty=True):
        declare_task(report, None, {"keep": HOUR})

        assert keep_of(NAME, '{"keep": [0, null, 7.5, null, 9]}') == Keep(succeeded=0, cancelled=7.5)
        for unreadable in ('{"keep": 7}', '{"keep"', '{"note": "keep"}', '["keep"]'):
            assert keep_of(NAME, unreadable) == read(HOUR), unreadable


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "1 hour",
            (
                "keep is '1 hour', but must be a positive timedelta of at most 36600 days, or None (no record stays); "
                "or a dictionary of these by outcome (succeeded, failed, cancelled, missed)."
            ),
        ),
        (3600, "keep is 3600, but must be a positive timedelta"),
        (True, "keep is True, but must be"),
        (timedelta(0), "keep is datetime.timedelta(0), but must be a positive timedelta"),
        (-HOUR, "but must be a positive timedelta"),
        (timedelta(days=36_601), "but must be a positive timedelta of at most 36600 days"),
        ([HOUR], "keep is [datetime.timedelta(seconds=3600)], but must be"),
        ({"suceeded": HOUR}, 'keep: "suceeded" is no outcome of a job. Did you mean "succeeded"?'),
        ({7: HOUR}, 'keep: "7" is no outcome of a job. Known: succeeded, failed, cancelled, missed.'),
        ({"failed": 30}, 'keep["failed"] is 30, but must be a positive timedelta of at most 36600 days, or None'),
    ],
)
def test_a_value_that_could_not_work_is_refused_at_the_declaration(given: Any, message: str) -> None:
    with isolated_registry(empty=True):
        with pytest.raises(InvalidTask) as error:
            declare_task(report, None, {"keep": given})

        assert str(error.value).startswith(f'Task "{NAME}": ')
        assert message in str(error.value)
        assert not tasks.is_registered(NAME)


@pytest.mark.parametrize("options", [{"keep": HOUR}, {"keep": None}])
def test_a_call_does_not_say_it(options: Mapping[str, Any]) -> None:
    with isolated_registry(empty=True):
        declared = background(report)

        with pytest.raises(ValueError, match='"keep" is not an option'):
            declared.using(**options)
