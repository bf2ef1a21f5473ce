"""Whoever makes a schedule may say the same of it: each option, through each door, becomes the same row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import override_settings

from schedules import api, changes, scheduled
from schedules.admin.forms import ScheduleForm
from schedules.declarations import Background
from schedules.declarations.background import declare_task
from schedules.declarations.configured import KEYS, in_settings
from schedules.declarations.scheduled import in_code
from schedules.models import Schedule
from schedules.planning.columns import KINDS
from schedules.spec import OPTIONS, Spec
from schedules.testing import isolated_registry
from tests.conformance.model.virtual import ALIAS, spec
from tests.conformance.worker.queue.jobs import somebody
from worker import queue
from worker.clock import database_now
from worker.models import Job
from worker.own_options import task_of

pytestmark = pytest.mark.usefixtures("database")

FAR = datetime(2100, 1, 1, 3, tzinfo=UTC)

EXAMPLES: dict[str, tuple[Any, Any]] = {
    "cron": ("30 2 * * *", None),
    "repeat": ("1 month", None),
    "run_at": (FAR, ["2100-01-01", "03:00:00"]),
    "timezone": ("Asia/Tokyo", None),
    "dst_gap": ("skip", None),
    "dst_overlap": ("both", None),
    "first_run": (FAR, ["2100-01-01", "03:00:00"]),
    "starts_at": (FAR, ["2100-01-01", "03:00:00"]),
    "repeat_until": (FAR, ["2100-01-01", "03:00:00"]),
    "max_runs": (7, None),
    "exclude": (["2099-12-25", "2099-12-26"], "2099-12-25 2099-12-26"),
    "catch_up": ("all", None),
    "catch_up_window": (3600, None),
    "max_catch_up": (5, None),
    "late_after": (30, None),
    "start_deadline": (90, None),
    "overlap": ("queue_one", None),
    "jitter": (20, None),
    "retry_past_next": (True, "on"),
    "queue": ("mail", None),
    "priority": (9, None),
    "verbose_name": ("Nightly report", None),
    "creator": ("auth.User:1", None),
    "max_attempts": (3, None),
    "backoff": ([5, 60, 600], "5 60, 600"),
    "atomic": (True, "True"),
    "fresh_connection": (False, "False"),
    "may_fail": (True, "True"),
    "keep_result": (True, "True"),
    "log": (True, "True"),
}
"""By option, a value that is not its default; and what an operator enters for it, where that is not the same."""


ENTERED = {"dst_gap": "run", "dst_overlap": "first", "catch_up": "latest", "overlap": "skip"}
ENTERED |= {"timezone": "UTC", "max_catch_up": "100", "late_after": "60", "jitter": "0"}
"""What stands in the form from the beginning."""


def report() -> None: ...


def released(**options: Any) -> Background[..., Any, Any]:
    """The task, as a release has it."""
    return declare_task(report, "report", options)


@pytest.fixture(autouse=True)
def _release() -> Iterator[None]:
    with isolated_registry(empty=True):
        released()
        yield


def by_code(given: dict[str, Any]) -> Schedule:
    scheduled(name="it", **given)(released())
    return _row(in_code().pop())


def by_settings(given: dict[str, Any]) -> Schedule:
    with override_settings(SCHEDULES={"it": {"task": "report", **given}}):
        configured = in_settings()
    assert not configured.problems
    return _row(configured.specs.pop())


def by_api(given: dict[str, Any]) -> Schedule:
    row: Schedule = api.schedule("report", name="it", **given).row
    return row


def by_form(given: dict[str, Any]) -> Schedule:
    entered: dict[str, Any] = {"name": "it", "task": "report", **ENTERED}
    for option, value in given.items():
        name, example = "anchor" if option == "first_run" else option, EXAMPLES[option][1]
        if isinstance(example, list):
            entered |= {f"{name}_{n}": part for n, part in enumerate(example)}
        else:
            entered[name] = value if example is None else example
    form = ScheduleForm(entered)
    assert form.is_valid(), form.errors
    return _row(form.spec)


DOORS: tuple[Callable[[dict[str, Any]], Schedule], ...] = (by_code, by_settings, by_api, by_form)


def test_each_door_knows_each_option() -> None:
    fields = {"first_run" if name == "anchor" else name for name in ScheduleForm.base_fields}

    assert set(OPTIONS) == EXAMPLES.keys()
    assert set(OPTIONS) <= fields & set(KEYS)


@pytest.mark.parametrize("option", EXAMPLES)
def test_an_option_says_the_same_through_each_door(option: str) -> None:
    kind = {} if option in KINDS else {"repeat": "1 month"}
    given = {**kind, option: EXAMPLES[option][0]}

    said = [_said(door(given), option) for door in DOORS]

    assert all(each == said[0] for each in said), said
    assert said[0] != _said(by_api({"repeat": "2 months", "timezone": "UTC", **kind}), option)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_what_a_schedule_says_of_its_task_goes_for_its_jobs_and_the_rest_is_asked_when_they_run(
    door: Callable[[dict[str, Any]], Schedule],
) -> None:
    row = door({"repeat": "1 month", "backoff": [5, 60, 600], "max_attempts": 3, "atomic": True})

    changes.run_now(row, ALIAS, database_now(ALIAS))

    released(max_attempts=9, backoff=7, fresh_connection=True)
    (job,) = queue.claim(ALIAS, somebody(), 10)
    task = task_of(job)
    assert (job.max_attempts, task.backoff, task.atomic, task.fresh_connection) == (3, [5.0, 60.0, 600.0], True, True)


@pytest.mark.parametrize("door", DOORS[:3], ids=lambda door: door.__name__)
def test_a_function_as_backoff_is_refused_where_a_row_would_have_to_keep_it(
    door: Callable[[dict[str, Any]], Schedule],
) -> None:
    with pytest.raises((ValueError, AssertionError), match="is no backoff here: a function is given where its task is"):
        door({"repeat": "1 month", "backoff": lambda _error, _job: 1})


def test_a_schedule_that_says_nothing_of_its_task_keeps_nothing_of_it() -> None:
    row = by_settings({"repeat": "1 month"})

    changes.run_now(row, ALIAS, database_now(ALIAS))

    assert (row.own_options, row.task_options, Job.objects.get().task_options) == ("", None, None)


def _row(spec: Spec) -> Schedule:
    return changes.bring_in_line(spec, ALIAS, database_now(ALIAS))


def _said(row: Schedule, option: str) -> dict[str, Any]:
    """What was said of it. The row is gone afterwards."""
    said = {name: getattr(row, name) for name in spec("it", repeat=60).columns()}
    del said["source"], said["declared_in"]
    Schedule.objects.filter(pk=row.pk).delete()
    return said | ({"anchor": row.anchor} if option == "first_run" else {})
