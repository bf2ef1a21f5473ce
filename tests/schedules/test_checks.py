"""Each check of the clock, provoked; and the pages that name them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.db import connections
from pytest_django import Settings

from schedules import background, scheduled
from schedules.models import Schedule
from schedules.routers import SchedulerRouter
from worker.models import Job

pytestmark = pytest.mark.usefixtures("nothing_declared")


async def sent_later() -> None: ...


def sent(queue: str = "mail", **options: Any) -> None:
    """A task that is never run."""


def any_keyword(**kwargs: Any) -> None:
    """A task that is never run."""


def by_name(number: int) -> None:
    """What a decorator hands its arguments to."""


@wraps(by_name)
def handed_on(*args: Any, **kwargs: Any) -> None:
    by_name(*args, **kwargs)


def found(id: str) -> list[CheckMessage]:
    return [message for message in run_checks(include_deployment_checks=True) if message.id == id]


def entry(**given: Any) -> dict[str, Any]:
    return {"nightly": {"task": "manage:check", **given}}


def test_a_faulty_entry_of_the_settings_is_an_error_in_a_sentence(settings: Settings) -> None:
    settings.SCHEDULES = {
        "late": {"task": "manage:check", "cron": "75 1 * * *"},
        "lost": {"task": "tests.schedules.test_checks.snt", "repeat": 60},
        "never": {"task": "manage:check", "cron": "0 0 31 2 *"},
        "odd": {"task": "manage:check", "repaet": 60},
        "async": {"task": "tests.schedules.test_checks.sent_later", "repeat": 60},
    }

    messages = [message.msg for message in found("schedules.E001")]

    assert messages[0] == 'SCHEDULES["late"]: minute 75 is out of range in "75 1 * * *" (0-59, field 1).'
    assert 'Did you mean "tests.schedules.test_checks.sent"?' in messages[1]
    assert messages[2].endswith('"0 0 31 2 *" never occurs.')
    assert 'Did you mean "repeat"?' in messages[3]
    assert "it is an async function, so a call would not run it" in messages[4]


@pytest.mark.parametrize("schedules", [[], "x", {"x": None}, {"x": {"task": 3}}, {3: {"task": "manage:check"}}])
def test_settings_of_another_shape_are_an_error_and_no_crash(settings: Settings, schedules: Any) -> None:
    settings.SCHEDULES = schedules

    assert found("schedules.E001")


def test_a_time_zone_that_pytz_does_not_know_is_an_error_that_names_the_setting(settings: Settings) -> None:
    settings.SCHEDULER = {"TIME_ZONE": "Europe/Pari"}

    (message,) = found("schedules.E002")

    assert message.msg.startswith('SCHEDULER["TIME_ZONE"]: "Europe/Pari"')
    assert 'Did you mean "Europe/Paris"?' in message.msg


def test_a_parameter_with_the_name_of_an_option_is_a_warning() -> None:
    background(sent)

    (message,) = found("schedules.W001")

    assert '"queue" of task tests.schedules.test_checks.sent' in message.msg
    assert ".using(…).enqueue(queue=…)" in str(message.hint)


def test_a_task_that_takes_any_keyword_is_a_warning_that_says_how_to_hand_it_one() -> None:
    background(any_keyword)

    (message,) = found("schedules.W009")

    assert "any_keyword takes any keyword" in message.msg
    assert ".enqueue(queue=…)" in str(message.hint)


def test_a_decorator_that_hands_on_any_keyword_is_no_warning() -> None:
    background(handed_on)

    assert found("schedules.W009") == []


def test_a_name_declared_in_code_and_in_settings_is_a_warning(settings: Settings) -> None:
    scheduled(name="nightly", repeat=60)(sent)
    settings.SCHEDULES = entry(repeat=60)

    (message,) = found("schedules.W002")

    assert '"nightly" is declared in tests/schedules/test_checks.py:' in message.msg


@pytest.mark.parametrize(
    ("given", "gap"),
    [({"repeat": 60, "jitter": 600}, 60), ({"cron": "0,10 * * * *", "jitter": 900}, 600)],
)
def test_a_jitter_longer_than_the_time_between_runs_is_a_warning(
    settings: Settings, given: dict[str, Any], gap: int
) -> None:
    settings.SCHEDULES = entry(**given)

    (message,) = found("schedules.W003")

    assert f"only {gap} s apart" in message.msg


@pytest.mark.parametrize("given", [{"repeat": 600, "jitter": 600}, {"repeat": 60}, {"cron": "@daily", "jitter": 3600}])
def test_a_jitter_that_fits_is_no_matter(settings: Settings, given: dict[str, Any]) -> None:
    settings.SCHEDULES = entry(**given)

    assert found("schedules.W003") == []


def test_an_end_that_is_past_is_a_warning(settings: Settings) -> None:
    over, goes_on = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
    repeats = {"task": "manage:check", "repeat": 60}
    settings.SCHEDULES = {"over": {**repeats, "repeat_until": over}, "goes on": {**repeats, "repeat_until": goes_on}}

    (message,) = found("schedules.W005")

    assert message.msg.startswith('The schedule "over" was to repeat until 2020-01-01T00:00:00+00:00, which is past')


def test_a_fixed_time_that_meets_clock_changes_is_told_with_the_next_and_its_effect(settings: Settings) -> None:
    settings.SCHEDULES = entry(cron="30 3 * * *", timezone="Europe/Riga")

    (message,) = found("schedules.I001")

    assert '"30 3 * * *" in Europe/Riga falls in a clock change on 2 days a year' in message.msg
    assert '"nightly", next on 20' in str(message.hint)
    assert "The clock moves " in str(message.hint)


@pytest.mark.parametrize(
    "given",
    [
        {"cron": "30 3 * * *", "timezone": "UTC"},
        {"cron": "30 3 * * *", "timezone": "Asia/Tokyo"},
        {"cron": "30 12 * * *", "timezone": "Europe/Riga"},
        {"cron": "*/30 * * * *", "timezone": "Europe/Riga"},
        {"repeat": 3600, "timezone": "Europe/Riga"},
    ],
)
def test_what_meets_no_clock_change_is_not_mentioned(settings: Settings, given: dict[str, Any]) -> None:
    settings.SCHEDULES = entry(**given)

    assert found("schedules.I001") == []


def test_with_faulty_options_the_other_checks_wait(settings: Settings) -> None:
    settings.SCHEDULES = entry(cron="75 1 * * *")
    settings.SCHEDULER = {"TREADS": 4}

    assert [message.id for message in run_checks(tags=["schedules", "worker"])] == ["worker.E001"]


def test_errors_fail_the_command_and_a_clock_change_does_not(settings: Settings) -> None:
    settings.SCHEDULES = entry(cron="30 3 * * *", timezone="Europe/Riga")

    call_command("check", "--tag", "schedules", "--deploy", fail_level="WARNING")

    assert found("schedules.I001")


def test_a_clock_change_is_told_before_a_deploy_and_around_no_other_command(settings: Settings) -> None:
    settings.SCHEDULES = entry(cron="30 3 * * *", timezone="Europe/Riga")

    assert not [message for message in run_checks() if message.id == "schedules.I001"]


@pytest.fixture
def in_jobs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs and schedules are kept in another database, which nobody connects to."""
    monkeypatch.setitem(connections.settings, "jobs", connections.settings["default"])
    settings.SCHEDULER = {"DATABASE": "jobs"}
    yield
    connections["jobs"].close()
    del connections["jobs"]


class KeepsTablesOut:
    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if db == "jobs" else None


@pytest.mark.parametrize(
    ("routers", "told"),
    [
        ([], True),
        (["schedules.routers.SchedulerRouter"], False),
        ([KeepsTablesOut(), "schedules.routers.SchedulerRouter"], True),
    ],
    ids=["none", "ours", "another first"],
)
def test_tables_that_no_router_sends_to_their_database_are_told(
    settings: Settings, in_jobs: None, routers: list[Any], told: bool
) -> None:
    settings.DATABASE_ROUTERS = routers

    assert [bool(message.hint) for message in found("schedules.W008")] == [True] * told


def test_our_router_leaves_all_as_it_is_where_there_is_one_database() -> None:
    ours = SchedulerRouter()

    assert (ours.allow_migrate("default", "auth"), ours.allow_migrate("default", "worker")) == (None, True)


def test_our_router_keeps_other_tables_out_and_ours_out_of_other_databases(in_jobs: None) -> None:
    ours = SchedulerRouter()

    assert (ours.allow_migrate("default", "auth"), ours.allow_migrate("default", "worker")) == (None, False)
    assert (ours.allow_migrate("jobs", "auth"), ours.allow_migrate("jobs", "schedules")) == (False, True)
    assert (ours.db_for_read(Job), ours.db_for_write(Schedule), ours.db_for_read(User)) == ("jobs", "jobs", None)


def test_without_the_app_worker_django_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(
        'INSTALLED_APPS = ["schedules"]\nUSE_TZ = True\nSECRET_KEY = "only for this test"\n'
    )

    done = _check("half", tmp_path)

    assert done.returncode == 1
    assert '"schedules" keeps its jobs in the app "worker": add it to INSTALLED_APPS.' in done.stderr


def _check(settings: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "django", "check", "--settings", settings],
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{Path.cwd()}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
