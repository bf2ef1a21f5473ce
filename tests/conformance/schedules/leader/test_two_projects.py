"""Two projects in the same tables by mistake: all who look are told, and neither retires what the other declares."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings
from pytest_django import Settings

from schedules import signals
from schedules.checks import check_rows
from schedules.declarations.sync import GRACE, declarations
from schedules.leader.alive import last_sign
from schedules.leader.lock import lock_on
from schedules.leader.term import UPKEEP_EVERY, Term
from schedules.models import Leadership, Schedule
from schedules.testing import ManualClock
from tests.conformance.model.virtual import ALIAS
from tests.processes import StartProcess, eventually
from worker import roster
from worker.clock import database_now
from worker.sessions.connection import private_connection

pytestmark = pytest.mark.usefixtures("database")

OURS, THEIRS = "shop.settings", "bank.settings"
REPEATED = {"task": "manage:check", "repeat": 3600}


@pytest.fixture(autouse=True)
def ours(settings: Settings) -> None:
    settings.SETTINGS_MODULE = OURS
    settings.SCHEDULES = {"ours": REPEATED}


@pytest.fixture
def met() -> Iterator[list[list[str]]]:
    """The projects that a leader has said it met."""
    met: list[list[str]] = []

    def note(others: list[str], **_: Any) -> None:
        met.append(others)

    signals.projects_met.connect(note)
    yield met
    signals.projects_met.disconnect(note)


@contextmanager
def leading(project: str, name: str) -> Iterator[Term]:
    """A term of that project, which declares a schedule of that name."""
    with (
        override_settings(SETTINGS_MODULE=project, SCHEDULES={name: REPEATED}),
        private_connection(ALIAS, "leader") as using,
    ):
        lock = lock_on(using)
        lock.prepare()
        assert lock.acquire()
        now = database_now(using)
        term = Term(using, lock, f"{project}:1", now, declarations(), host=ManualClock(now))
        term.begin(after=last_sign(using))
        term.turn()
        assert term.is_synced
        yield term
        term.end()
        lock.release()


def candidate(project: str) -> int:
    return roster.sign_in(ALIAS, f"{project}:1", 4, (), project)


def look_after(term: Term) -> None:
    """A minute has gone by."""
    assert isinstance(term.host, ManualClock)
    term.host.advance(UPKEEP_EVERY)
    term.turn()


def undeclared() -> set[str]:
    return set(Schedule.objects.exclude(undeclared_at=None).values_list("name", flat=True))


def retired() -> set[str]:
    return set(Schedule.objects.exclude(retired_at=None).values_list("name", flat=True))


def undeclared_for(period: timedelta) -> datetime:
    then = database_now(ALIAS) - period
    Schedule.objects.exclude(undeclared_at=None).update(undeclared_at=then)
    return then


def told() -> list[str]:
    """Of two projects, by `list_schedule --check`, the doctor, and `check --database`."""
    found = []
    for command in (["list_schedule", "--check"], ["scheduler_doctor"]):
        said = StringIO()
        with suppress(SystemExit):
            call_command(*command, stdout=said, stderr=said)
        if "Several projects declare schedules" in said.getvalue():
            found.append(command[0])
    return [*found, *(each.id or "" for each in check_rows(None, databases=[ALIAS]))]


def test_while_processes_of_another_project_live_nothing_of_theirs_is_retired_and_all_say_so(
    met: list[list[str]],
) -> None:
    with leading(THEIRS, "theirs"):
        pass
    candidate(THEIRS)

    with leading(OURS, "ours") as term:
        assert undeclared() == set()
        look_after(term)
        assert (undeclared(), retired()) == (set(), set())
        assert told() == ["list_schedule", "scheduler_doctor", "schedules.W004"]

    assert met == [[THEIRS]]
    assert set(Schedule.objects.values_list("name", flat=True)) == {"ours", "theirs"}


def test_what_was_marked_before_they_came_is_not_retired_while_they_live() -> None:
    with leading(THEIRS, "theirs"):
        pass

    with leading(OURS, "ours") as term:
        assert undeclared() == {"theirs"}
        undeclared_for(GRACE)
        candidate(THEIRS)
        look_after(term)
        assert retired() == set()

    with leading(THEIRS, "theirs"):
        assert "theirs" not in undeclared()


def test_when_the_processes_of_the_other_project_are_gone_its_schedules_leave_as_any_that_left_the_code(
    met: list[list[str]],
) -> None:
    with leading(THEIRS, "theirs"):
        pass
    worker = candidate(THEIRS)

    with leading(OURS, "ours") as term:
        roster.sign_off(ALIAS, worker)
        look_after(term)
        assert (undeclared(), retired()) == ({"theirs"}, set())
        assert told() == []
        undeclared_for(GRACE)
        look_after(term)
        assert retired() == {"theirs"}

    assert met == [[THEIRS]]


def test_renaming_the_settings_module_harms_nothing(met: list[list[str]]) -> None:
    with leading(THEIRS, "ours"):
        pass
    candidate(OURS)

    with leading(OURS, "ours") as term:
        look_after(term)
        assert (undeclared(), retired(), told(), met) == (set(), set(), [], [])
        assert Leadership.objects.order_by("pk").values_list("project", flat=True)[1] == OURS


def test_workers_that_never_lead_may_have_settings_of_their_own(met: list[list[str]]) -> None:
    roster.sign_in(ALIAS, "worker:1", 4, ())

    with leading(OURS, "ours"):
        assert (told(), met) == ([], [])


def test_who_has_no_settings_module_takes_nobody_for_another(settings: Settings, met: list[list[str]]) -> None:
    candidate(OURS)

    with leading("", "ours"):
        assert met == []


def test_processes_and_commands_of_one_project_say_so_while_those_of_another_are_there(process: StartProcess) -> None:
    schedules = {"theirs": {**REPEATED, "task": "tests.chaos.tasks.count", "args": ["theirs"]}}
    their_settings = {
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "CARILLON_CHAOS_SCHEDULES": json.dumps(schedules),
    }
    theirs = process("process_tasks", "--leader", environment=their_settings)
    eventually(Schedule.objects.named("theirs").exists, within=30)
    ours = process("process_tasks", "--leader")
    eventually(lambda: "stands by" in ours.output, within=30)

    theirs.kill()

    line = (
        "processes of tests.chaos.settings declare schedules in the tables of tests.settings, so no schedule is retired"
    )
    eventually(lambda: line in ours.output, within=30)
    problem = "Several projects declare schedules in the same tables: tests.settings, tests.chaos.settings."
    commands = {"check --database default": 0, "list_schedule --check": 1, "scheduler_doctor": 1}
    said = {command: process(*command.split()) for command in commands}
    assert {command: one.wait(within=30) for command, one in said.items()} == commands
    for one in said.values():
        assert problem in " ".join(one.output.split()), one.output
    assert undeclared() == set()
