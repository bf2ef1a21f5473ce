"""Another name is no other schedule, where the declaration says so: nothing is lost, and nothing runs twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from schedules import changes, signals
from schedules.api import InvalidSchedule
from schedules.checks import check_rows
from schedules.declarations.sync import GRACE, Declarations, retire_undeclared, sync
from schedules.models import Leadership, Occurrence, Schedule, Source
from tests.conformance.model.virtual import ALIAS, VirtualClock, jobs_of, ledger_of, spec
from tests.processes import Process, StartProcess, eventually
from tests.schedules.recurrence.moments import at
from worker.models import Job

OLDER, YOUNGER, YOUNGEST = at("09:00"), at("09:30"), at("09:40")
"""When the processes of three releases started."""


def release(clock: VirtualClock, started_at: Any, *names: str, **given: Any) -> None:
    """A leader that started then syncs what its release declares."""
    options = {"source": Source.SETTINGS, "cron": "H * * * *", **given}
    list(sync(ALIAS, clock, started_at, Declarations([spec(name, **options) for name in names])))


def old(clock: VirtualClock, started_at: Any = OLDER) -> None:
    release(clock, started_at, "nightly-report")


def new(clock: VirtualClock, started_at: Any = YOUNGER, **given: Any) -> None:
    release(clock, started_at, "nightly_report", renamed_from="nightly-report", **given)


def only() -> Schedule:
    return Schedule.objects.get()


@pytest.fixture
def anew() -> Iterator[list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []

    def note(name: str, formerly: str, **_: Any) -> None:
        told.append((name, formerly))

    signals.schedule_begins_anew.connect(note)
    yield told
    signals.schedule_begins_anew.disconnect(note)


def test_l12_a_renamed_schedule_is_the_same_and_runs_once_while_two_releases_lead_by_turns(
    clock: VirtualClock, anew: list[tuple[str, str]]
) -> None:
    old(clock)
    before = only()
    for hour in range(11, 18):
        for leads in (new, old, new):
            clock.tick(f"{hour}:00")
            leads(clock)

    after = only()
    assert (after.pk, after.name) == (before.pk, "nightly_report")
    assert after.recurrence == before.recurrence, "drawn from its first name"
    assert len(ledger_of(after)) == len(set(ledger_of(after))) >= 6
    assert (after.undeclared_at, anew) == (None, [])


def test_a_renamed_schedule_keeps_its_pause_its_grid_its_jobs_and_its_jitter(clock: VirtualClock) -> None:
    release(clock, OLDER, "nightly-report", cron="", repeat=3600, jitter=600)
    clock.tick("11:00")
    before = only()
    new(clock, cron="", repeat=3600, jitter=600)

    assert only().next_run_at == before.next_run_at
    assert only().drawn_from == "nightly-report"
    assert jobs_of(only()) == jobs_of(before) != []
    changes.pause(only(), ALIAS, clock.now(), reason="holiday")
    release(clock, YOUNGEST, "third", renamed_from=["nightly-report"], cron="", repeat=3600, jitter=600)
    assert (only().name, only().pause_reason, only().drawn_from) == ("third", "holiday", "nightly-report")


def test_a_release_that_comes_back_gives_the_schedule_its_old_name_back(clock: VirtualClock) -> None:
    old(clock)
    new(clock)

    old(clock, YOUNGEST)

    assert (only().name, only().drawn_from) == ("nightly-report", "nightly-report")
    new(clock, YOUNGEST)
    assert (only().name, only().drawn_from) == ("nightly_report", "nightly-report")


def test_a_name_that_is_still_declared_is_left_to_whoever_declares_it(clock: VirtualClock) -> None:
    old(clock)
    given: dict[str, Any] = {"source": Source.SETTINGS, "cron": "0 * * * *"}
    specs = [spec("nightly-report", **given), spec("nightly_report", renamed_from="nightly-report", **given)]

    list(sync(ALIAS, clock, YOUNGER, Declarations(specs)))

    assert sorted(Schedule.objects.values_list("name", flat=True)) == ["nightly-report", "nightly_report"]


def test_what_an_operator_detached_keeps_its_name(clock: VirtualClock) -> None:
    old(clock)
    changes.detach(only(), ALIAS, clock.now())

    new(clock)

    assert sorted(Schedule.objects.values_list("name", flat=True)) == ["nightly-report", "nightly_report"]


def test_a_retired_schedule_comes_back_under_its_new_name(clock: VirtualClock) -> None:
    old(clock)
    clock.tick("11:00")
    release(clock, OLDER)
    list(retire_undeclared(ALIAS, clock.now() + GRACE))
    clock.to("20:00")

    new(clock)

    assert (only().name, only().status) == ("nightly_report", "active")
    assert ledger_of(only())


@pytest.mark.parametrize("wrong", ["nightly_report", 7, [""], ["a", None], b"a"])
def test_what_is_no_former_name_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidSchedule, match=r"renamed_from is .*, but must be the name it had before"):
        spec("nightly_report", cron="0 * * * *", renamed_from=wrong)


def test_a_rename_that_is_not_declared_as_one_is_asked_about(clock: VirtualClock, anew: list[tuple[str, str]]) -> None:
    release(clock, OLDER, "nightly-report", cron="0 3 * * *")
    entry = {"task": "report", "cron": "0 3 * * *"}

    with override_settings(SCHEDULES={"nightly_report": entry}):
        told = '"nightly_report" is new here and does the same as "nightly-report"'
        (warning,) = check_rows(None, databases=[ALIAS])
        assert (warning.id, told in warning.msg) == ("schedules.W007", True)
        assert 'renamed_from="nightly-report"' in warning.msg
        output = StringIO()
        with suppress(SystemExit):
            call_command("list_schedule", "--check", stdout=output)
        assert told in output.getvalue()

    release(clock, YOUNGER, "nightly_report", cron="0 3 * * *")
    assert anew == [("nightly_report", "nightly-report")]


def test_what_does_something_else_or_says_where_it_comes_from_is_not_asked_about(
    clock: VirtualClock, anew: list[tuple[str, str]]
) -> None:
    old(clock)

    release(clock, YOUNGER, "other", args=["another"])
    release(clock, YOUNGER, "third", renamed_from="never-there")

    assert anew == []


# Two releases, in processes of their own


PROJECT = """
from tests.settings import *

SCHEDULES = {"%(name)s": {"task": "tests.app.tasks.nothing", "args": [1], "repeat": 1, "overlap": "allow"%(more)s}}
"""


@pytest.fixture
def candidate(process: StartProcess, tmp_path: Path) -> Callable[..., Process]:
    """Starts a process that leads as soon as it can, of the release that declares such a name."""

    def start(name: str, more: str = "") -> Process:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "project.py").write_text(PROJECT % {"name": name, "more": more})
        path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        return process(
            *("process_tasks", "--leader-only"), environment={"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "project"}
        )

    return start


def leads(process: Process) -> Leadership | None:
    newest = Leadership.objects.order_by("-pk").first()
    return newest if newest is not None and newest.leader.endswith(f":{process.pid}") else None


def has_run_twice(term: Leadership) -> bool:
    return Occurrence.objects.filter(term=term.pk).count() >= 2


@pytest.mark.own_session
def test_two_processes_of_two_releases_run_no_instant_twice(candidate: Callable[..., Process]) -> None:
    first = candidate("nightly-report")
    eventually(lambda: leads(first), within=30)
    eventually(Schedule.objects.exists)
    second = candidate("nightly-report")
    eventually(lambda: "stands by" in second.output, within=30)
    renamed = candidate("nightly_report", ', "renamed_from": "nightly-report"')
    eventually(lambda: "stands by" in renamed.output, within=30)

    second.send(signal.SIGSTOP)
    first.send(signal.SIGTERM)
    eventually(lambda: (term := leads(renamed)) is not None and has_run_twice(term), within=30)
    assert only().name == "nightly_report"
    second.send(signal.SIGCONT)
    renamed.send(signal.SIGTERM)
    eventually(lambda: (term := leads(second)) is not None and has_run_twice(term), within=30)

    assert only().name == "nightly_report"
    instants = list(Job.objects.values_list("scheduled_for", flat=True))
    assert len(instants) == len(set(instants))
