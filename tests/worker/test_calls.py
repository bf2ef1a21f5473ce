"""A call and its options as a job: what is kept of them, and the sentence that refuses what could not work."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.schedules.recurrence.moments import at
from worker.calls import Calls, InvalidCall, Start, job_options, start_of
from worker.parameters import Parameters
from worker.tasks import Task


def report() -> None: ...


TASK = Task(report, "report", queue="reports", priority=3)


# When it starts


@pytest.mark.parametrize(
    ("given", "start"),
    [
        (0, Start()),
        (60, Start(delay=60.0)),
        (0.25, Start(delay=0.25)),
        (timedelta(minutes=1), Start(delay=60.0)),
        (at("10:00"), Start(at=at("10:00"))),
    ],
)
def test_a_start_is_seconds_a_timedelta_or_an_aware_datetime(given: Any, start: Start) -> None:
    assert start_of(given) == start


@pytest.mark.parametrize(
    "given",
    [-1, timedelta(seconds=-1), float("nan"), float("inf"), 10**10, True, "60", datetime(2026, 7, 1), date(2026, 7, 1)],
)
def test_any_other_start_is_refused(given: Any) -> None:
    with pytest.raises(InvalidCall, match=r"^schedule is .*, but must be seconds from now"):
        start_of(given)


# What else is said of its job


def test_the_tasks_own_queue_and_priority_are_the_defaults() -> None:
    plain = {"queue": "reports", "priority": 3, "verbose_name": "", "creator": ""}

    assert job_options(TASK, {}) == plain
    assert job_options(TASK, {"queue": None, "priority": None}) == plain
    assert job_options(TASK, {"queue": "mail", "priority": 0}) == {**plain, "queue": "mail", "priority": 0}


def test_a_creator_is_a_text_or_a_row_of_a_model() -> None:
    assert job_options(TASK, {"creator": User(pk=7)})["creator"] == "auth.User:7"
    assert job_options(TASK, {"creator": "the importer"})["creator"] == "the importer"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"schedule": -1}, "schedule is -1, but must be seconds from now (0 to 3162240000), a timedelta, or an aware"),
        ({"queue": ""}, "'' is no queue: give a name of printable characters."),
        ({"priority": 101}, "101 is no priority: give a whole number from -100 to 100."),
        ({"verbose_name": 7}, "verbose_name is 7, but must be a text of at most 255 printable characters."),
        ({"verbose_name": "x" * 256}, "but must be a text of at most 255 printable characters."),
        ({"creator": User()}, "creator is an unsaved auth.User: save it first."),
        ({"creator": 7}, "creator is 7, but must be a text"),
        ({"remove_existing_tasks": 1}, "remove_existing_tasks is 1, but must be True or False."),
    ],
    ids=str,
)
def test_an_option_that_could_not_work_is_refused_in_a_sentence_that_opens_with_the_place(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidCall) as refused:
        Calls(TASK, Parameters(report, "report(…)"), given, where="here")

    assert str(refused.value).startswith("here: ")
    assert said in str(refused.value)
