"""Who owns the name of a schedule: it is said, whoever came first, and changes hands only when somebody says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, override_settings

from schedules import api, background, changes, signals
from schedules.admin.forms import ScheduleForm
from schedules.api import InvalidSchedule
from schedules.checks import check_rows
from schedules.declarations import ownership
from schedules.declarations.sync import GRACE, declarations, retire_undeclared, sync
from schedules.models import Occurrence, Schedule, Source
from tests.conformance.model.virtual import ALIAS, VirtualClock, again, ledger_of, spec
from worker.models import Job

DECLARED = {"nightly": {"task": "manage:check", "cron": "0 3 * * *"}}
PLACE = 'settings.SCHEDULES["nightly"]'
OTHERS = (Source.API, Source.ADMIN, Source.CALL)


@background
def poll() -> None: ...


@pytest.fixture
def settings_declare(database: None) -> Iterator[None]:
    with override_settings(SCHEDULES=DECLARED):
        yield


@pytest.fixture
def ignored() -> Iterator[list[str]]:
    """What was told of declarations that are ignored."""
    told: list[str] = []

    def note(name: str, reason: str, **_: Any) -> None:
        told.append(f"{name}: {reason}")

    signals.declaration_ignored.connect(note)
    yield told
    signals.declaration_ignored.disconnect(note)


def said(*command: str) -> str:
    output = StringIO()
    with suppress(SystemExit):
        call_command(*command, stdout=output, stderr=output)
    return output.getvalue()


def row() -> Schedule:
    return Schedule.objects.named("nightly").get()


def synced(clock: VirtualClock) -> Schedule:
    list(sync(ALIAS, clock, clock.now(), declarations()))
    return row()


def retired(clock: VirtualClock, **given: Any) -> Schedule:
    """A schedule whose declaration has gone long ago."""
    options = {"cron": "0 4 * * *", "source": Source.SETTINGS, "declared_in": PLACE, **given}
    schedule = clock.declared("nightly", **options)
    changes.mark_undeclared([schedule.pk], ALIAS, clock.now())
    list(retire_undeclared(ALIAS, clock.now() + GRACE))
    assert row().status == "retired"
    return schedule


@pytest.mark.parametrize("source", OTHERS)
def test_l6_a_declaration_whose_name_somebody_else_has_is_ignored_and_all_say_so(
    clock: VirtualClock, settings_declare: None, ignored: list[str], source: Source
) -> None:
    clock.declared("nightly", source=source, cron="0 4 * * *")
    before = Schedule.objects.values().get()

    synced(clock)

    assert Schedule.objects.values().get() == before
    (told,) = ignored
    assert told.startswith("nightly: a schedule of that name, which runs report, was made by ")
    told_here = f'The declaration of "nightly" in {PLACE} is ignored: a schedule of that name, which runs report,'
    assert told_here in said("list_schedule", "--check")
    assert told_here in said("scheduler_doctor")
    (warning,) = check_rows(None, databases=[ALIAS])
    assert (warning.id, told_here in warning.msg) == ("schedules.W006", True)


def test_whoever_comes_second_is_told_so_too(clock: VirtualClock, settings_declare: None) -> None:
    synced(clock)

    with pytest.raises(InvalidSchedule, match="a schedule of that name is declared in settings"):
        api.schedule("report", name="nightly", cron="0 4 * * *")


@pytest.mark.parametrize("source", OTHERS)
def test_a_name_that_somebody_took_at_this_moment_is_not_taken_from_them(clock: VirtualClock, source: Source) -> None:
    """Whoever declares it has looked before, and waited for the row."""
    clock.declared("theirs", source=source, cron="0 4 * * *")
    clock.declared("the code's", source=Source.SETTINGS, cron="0 4 * * *")
    before = list(Schedule.objects.order_by("pk").values())

    for name, other in (("theirs", Source.SETTINGS), ("the code's", source)):
        with pytest.raises(InvalidSchedule, match=r"of that name (was made by|is declared in) .*another name"):
            changes.bring_in_line(spec(name, source=other, cron="0 5 * * *"), ALIAS, clock.now())

    assert list(Schedule.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("second", OTHERS)
@pytest.mark.parametrize("first", OTHERS)
def test_an_api_a_form_and_a_call_take_no_name_from_each_other(
    clock: VirtualClock, first: Source, second: Source
) -> None:
    clock.declared("nightly", source=first, cron="0 4 * * *")
    before = Schedule.objects.values().get()
    edit = spec("nightly", source=second, cron="0 5 * * *")

    if first == second != Source.ADMIN:
        assert changes.bring_in_line(edit, ALIAS, clock.now()).cron == "0 5 * * *"
        return
    maker = {"api": "the API", "admin": "an operator", "call": "a call"}[first]
    refused = f"nightly: a schedule of that name was made by {maker}. Give yours another name, or delete that one."
    with pytest.raises(InvalidSchedule, match=re.escape(refused)):
        changes.bring_in_line(edit, ALIAS, clock.now())
    assert Schedule.objects.values().get() == before


def test_a_call_and_the_api_say_whose_the_name_is(clock: VirtualClock) -> None:
    name = f"{poll.task.name}#eu"
    clock.declared(name, source=Source.ADMIN, cron="0 4 * * *")
    before = Schedule.objects.values().get()

    with pytest.raises(InvalidSchedule, match="that name was made by an operator"):
        poll.using(key="eu", repeat=60).enqueue()
    for dry_run in (False, True):
        with pytest.raises(InvalidSchedule, match="that name was made by an operator"):
            api.schedule("report", name=name, repeat=60, dry_run=dry_run)

    assert Schedule.objects.values().get() == before


def test_what_an_operator_has_detached_is_no_longer_the_apis_either(
    clock: VirtualClock, settings_declare: None
) -> None:
    changes.detach(synced(clock), ALIAS, clock.now())

    with pytest.raises(InvalidSchedule, match=r"was detached from settings.* by an operator"):
        api.schedule("report", name="nightly", cron="0 5 * * *")


@pytest.mark.parametrize("source", [Source.SETTINGS, *OTHERS])
def test_a_form_says_whose_the_name_is(clock: VirtualClock, source: Source) -> None:
    clock.declared("nightly", source=source, cron="0 4 * * *", declared_in=PLACE if source == "settings" else "")
    form = ScheduleForm({"name": "nightly", "task": "report", "cron": "0 5 * * *"})

    (said,) = form.errors["name"]

    owned = {"settings": f"is declared in {PLACE}", "admin": "was made by an operator", "call": "was made by a call"}
    assert str(said).startswith(f"A schedule of this name {owned.get(source, 'was made by the API')}. Choose another")


def test_a_name_that_is_taken_while_a_form_is_saved_is_said_on_its_page(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.declared("nightly", cron="0 4 * * *")
    monkeypatch.setattr(ScheduleForm, "_owner_of", lambda form, name: None)
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    sent = dict.fromkeys(("args", "kwargs", "repeat"), "") | {"name": "nightly", "task": "report"}
    given = {"cron": "0 5 * * *", "catch_up": "latest", "overlap": "skip", "dst_gap": "run", "dst_overlap": "first"}
    numbers = {"max_catch_up": "100", "late_after": "60", "jitter": "0", "max_attempts": "1"}

    answer = client.post("/admin/schedules/schedule/add/", {**sent, **given, **numbers}, follow=True)

    assert "a schedule of that name was made by the API" in answer.content.decode()
    assert row().cron == "0 4 * * *"


def test_a_detached_schedule_is_an_info_and_no_problem(
    clock: VirtualClock, settings_declare: None, ignored: list[str]
) -> None:
    changes.detach(synced(clock), ALIAS, clock.now())
    synced(clock)

    assert "name-taken" not in said("list_schedule", "--check")
    (info,) = check_rows(None, databases=[ALIAS])
    assert (info.id, ignored) == ("schedules.I003", [])


# Give back to the code


@pytest.mark.parametrize("source", OTHERS)
def test_what_is_given_back_follows_the_code_again(clock: VirtualClock, settings_declare: None, source: Source) -> None:
    schedule = clock.declared("nightly", source=source, cron="0 11 * * *")
    clock.tick("11:00")
    changes.pause(schedule, ALIAS, clock.now(), reason="holiday")

    ownership.give_back(again(schedule), ALIAS, clock.to("12:00"))

    now = again(schedule)
    assert (now.source, now.declared_in, now.cron, now.task) == ("settings", PLACE, "0 3 * * *", "manage:check")
    assert (now.pause_reason, ledger_of(now)[:1]) == ("holiday", ["11:00 enqueued"])
    assert check_rows(None, databases=[ALIAS]) == []
    assert synced(clock).revision == now.revision


def test_a_detached_schedule_can_be_given_back_by_the_api(clock: VirtualClock, settings_declare: None) -> None:
    changes.detach(synced(clock), ALIAS, clock.now())
    changes.edit(row(), ALIAS, clock.now(), cron="0 5 * * *")

    api.get("nightly").give_back()

    assert (row().source, row().cron) == ("settings", "0 3 * * *")


def test_what_nobody_declares_and_what_is_the_codes_cannot_be_given_back(
    clock: VirtualClock, settings_declare: None
) -> None:
    clock.declared("other", source=Source.ADMIN, cron="0 4 * * *")
    with pytest.raises(InvalidSchedule, match="nobody to give it back to"):
        api.get("other").give_back()

    synced(clock)
    with pytest.raises(InvalidSchedule, match="it already follows settings"):
        api.get("nightly").give_back()


# Retired


def test_l19_the_name_of_a_retired_schedule_can_be_used_again(clock: VirtualClock) -> None:
    schedule = retired(clock, max_runs=1)
    Schedule.objects.update(runs=1)

    api.schedule("report", name="nightly", args=["mine"], repeat=60, max_runs=1)

    now = again(schedule)
    assert (now.source, now.status, now.args, now.declared_in) == ("api", "active", ["mine"], "")


VERBS: dict[str, Callable[[Schedule, datetime], object]] = {
    "pause": lambda row, now: changes.pause(row, ALIAS, now, reason="why"),
    "resume": lambda row, now: changes.resume(row, ALIAS, now),
    "run now": lambda row, now: changes.run_now(row, ALIAS, now),
    "backfill": lambda row, now: changes.backfill(row, ALIAS, now, now - timedelta(hours=1), now),
    "repair": lambda row, now: changes.repair(row, ALIAS, now),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_runs_or_holds_a_retired_schedule_is_refused(clock: VirtualClock, verb: str) -> None:
    retired(clock)
    before = Schedule.objects.values().get()

    with pytest.raises(InvalidSchedule, match="nightly: it is retired"):
        VERBS[verb](row(), clock.to("12:00"))

    assert Schedule.objects.values().get() == before
    assert (Job.objects.count(), Occurrence.objects.count()) == (0, 0)
