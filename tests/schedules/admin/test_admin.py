"""Schedules in the admin: the operator's verbs, and what may be entered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from schedules import signals
from schedules.models import Occurrence, Schedule, Source
from schedules.recurrence.zones import local
from tests.schedules.admin import admin_rows
from worker import tasks
from worker.clock import database_now
from worker.models import FinishedJob, Job
from worker.tasks import Task

pytestmark = pytest.mark.usefixtures("database")

PAGE = "/admin/schedules/schedule/"
TASK = admin_rows.REPORT.name


@pytest.fixture
def operator(client: Client) -> Client:
    """Somebody who may do to schedules all that can be done."""
    user = User.objects.create_user("olga", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="schedules"))
    client.force_login(user)
    return client


# Verbs


def test_run_now_enqueues_a_job_and_leaves_the_next_run_where_it_is(operator: Client) -> None:
    row = admin_rows.schedule("nightly", source=Source.CODE)

    answer = operator.post(f"{PAGE}{row.pk}/do/run_now/", follow=True)

    job = Job.objects.get(schedule_id=row.pk)
    assert _messages(answer) == ["Enqueued 1 run."]
    assert _again(row).next_run_at == row.next_run_at
    assert Occurrence.objects.get(schedule=row).reason == "by olga"
    assert _logged(row) == [f"Run now: job #{job.pk}."]


def test_pausing_asks_for_the_reason_first(operator: Client) -> None:
    row = admin_rows.schedule("nightly", source=Source.CODE)

    asked = operator.post(f"{PAGE}{row.pk}/do/pause/")
    assert "Reason" in asked.content.decode()
    assert "Runs to come do not happen, and jobs that wait behind a run are held." in asked.content.decode()
    assert _again(row).paused_at is None

    operator.post(f"{PAGE}{row.pk}/do/pause/", {"reason": "vendor outage"})
    paused = _again(row)
    assert (paused.status, paused.pause_reason, paused.paused_by) == ("paused", "vendor outage", "olga")
    assert _logged(row) == ["Paused: vendor outage"]
    assert "Its declaration says enabled = True." in operator.get(f"{PAGE}{row.pk}/change/").content.decode()


def test_several_schedules_are_paused_for_one_reason_from_the_list(operator: Client) -> None:
    rows = [admin_rows.schedule(name) for name in ("one", "two")]
    choice = {"action": "pause", "_selected_action": [row.pk for row in rows]}

    asked = operator.post(PAGE, choice).content.decode()
    assert all(f'name="_selected_action" value="{row.pk}"' in asked for row in rows)

    answer = operator.post(PAGE, {**choice, "reason": "vendor outage"}, follow=True)
    assert _messages(answer) == ["Paused 2 schedules."]
    assert {_again(row).status for row in rows} == {"paused"}


@pytest.mark.parametrize(
    ("entered", "error"),
    [
        ({"reason": ""}, "This field is required."),
        ({"reason": "x" * 256}, "at most 255 characters"),
        ({"reason": "why", "until": "2001-01-01T00:00"}, "Give a time in the future"),
        ({"reason": "why", "until": "9999-12-31T23:59"}, "Give a time in the future"),
        ({"reason": "why", "until": "tomorrow"}, "Enter a valid date/time."),
    ],
)
def test_a_pause_that_makes_no_sense_is_asked_for_again(operator: Client, entered: dict[str, str], error: str) -> None:
    row = admin_rows.schedule("nightly")

    answer = operator.post(f"{PAGE}{row.pk}/do/pause/", entered)

    assert error in answer.content.decode()
    assert _again(row).paused_at is None


def test_a_pause_may_end_by_itself(operator: Client) -> None:
    row = admin_rows.schedule("nightly")
    until = (database_now("default") + timedelta(days=1)).replace(second=0, microsecond=0)

    operator.post(f"{PAGE}{row.pk}/do/pause/", {"reason": "why", "until": f"{until:%Y-%m-%dT%H:%M}"})

    assert _again(row).paused_until == until


def test_resuming_goes_on_and_skips_what_is_not_paused(operator: Client) -> None:
    paused = admin_rows.schedule("paused", columns={"paused_at": database_now("default"), "next_run_at": None})
    active = admin_rows.schedule("active")

    choice = {"action": "resume", "_selected_action": [paused.pk, active.pk]}
    answer = operator.post(PAGE, choice, follow=True)

    assert _messages(answer) == ["Skipped 1, to which this action does not apply.", "Resumed 1 schedule."]
    assert _again(paused).next_run_at is not None
    assert _logged(paused) == ["Resumed."]
    assert _logged(active) == []


def test_a_declared_schedule_is_the_operators_own_once_it_is_detached(operator: Client) -> None:
    row = admin_rows.schedule("nightly", source=Source.CODE)
    assert operator.post(f"{PAGE}{row.pk}/change/", _entered(row)).status_code == 403

    operator.post(f"{PAGE}{row.pk}/do/detach/")

    assert _again(row).source == Source.ADMIN
    assert _logged(row) == ["Detached from shop/tasks.py:14."]
    assert operator.post(f"{PAGE}{row.pk}/change/", _entered(row, cron="0 5 * * *")).status_code == 302
    assert _again(row).cron == "0 5 * * *"


def test_a_schedule_that_a_leap_of_the_clock_left_behind_is_repaired(operator: Client) -> None:
    now = database_now("default")
    ahead = {"settled_until": now + timedelta(days=1), "next_run_at": now + timedelta(days=1, seconds=60)}
    row = admin_rows.schedule("ahead", repeat=60, columns=ahead)

    operator.post(f"{PAGE}{row.pk}/do/repair/")

    next_run_at = _again(row).next_run_at
    assert next_run_at is not None
    assert next_run_at < now + timedelta(minutes=2)


def test_a_verb_on_a_row_that_cannot_be_decided_says_why(operator: Client) -> None:
    row = admin_rows.schedule("broken", columns={"timezone": "Mars/Olympus", "broken": "no zone"})

    answer = operator.post(f"{PAGE}{row.pk}/do/repair/", follow=True)

    assert "Mars/Olympus" in _messages(answer)[0]
    assert _again(row).status == "broken"


def test_a_secret_in_what_an_operator_says_or_is_told_is_not_shown(operator: Client) -> None:
    row = admin_rows.schedule("nightly")
    broken = admin_rows.schedule("broken", columns={"timezone": "password=hunter2", "broken": "why"})

    operator.post(f"{PAGE}{row.pk}/do/pause/", {"reason": "the vendor's password=hunter2"})
    told = operator.post(f"{PAGE}{broken.pk}/do/repair/", follow=True)

    assert _logged(row) == ["Paused: the vendor's password=********"]
    assert "password=********" in _messages(told)[-1]
    for page in (PAGE, f"{PAGE}{row.pk}/change/", f"{PAGE}{row.pk}/history/", "/admin/"):
        text = operator.get(page).content.decode()
        assert "the vendor&#x27;s password=hunter2" not in text, page


@pytest.mark.parametrize(
    ("codename", "verbs"),
    [("run_schedule", {"run_now"}), ("pause_schedule", {"pause"}), ("change_schedule", {"detach"})],
)
def test_each_verb_has_a_permission_of_its_own(client: Client, codename: str, verbs: set[str]) -> None:
    user = User.objects.create_user("sam", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=[codename, "view_schedule"]))
    client.force_login(user)
    row = admin_rows.schedule("nightly", source=Source.CODE)

    done = {
        verb
        for verb in ("run_now", "pause", "detach")
        if client.post(f"{PAGE}{row.pk}/do/{verb}/", {"reason": "why"}).status_code == 302
    }

    assert done == verbs


# Add, edit, delete


def test_a_schedule_is_added_as_every_declaration_is(operator: Client) -> None:
    told: list[str] = []

    def hear(change: str, **_: Any) -> None:
        told.append(change)

    signals.schedule_changed.connect(hear)
    answer = operator.post(
        f"{PAGE}add/", _entered(args='["eu", 7]', kwargs='{"deep": true}', queue="slow"), follow=True
    )

    row = Schedule.objects.get(name="nightly")
    assert (row.source, row.queue, row.args, row.kwargs) == (Source.ADMIN, "slow", ["eu", 7], {"deep": True})
    assert row.next_run_at is not None
    assert told == ["created"]
    assert "was added successfully" in _messages(answer)[0]
    assert LogEntry.objects.get().object_id == str(row.pk)


def test_what_is_left_empty_comes_from_the_task_and_the_project(operator: Client) -> None:
    operator.post(f"{PAGE}add/", _entered(timezone="", queue="", priority=""))

    row = Schedule.objects.get(name="nightly")
    assert (row.queue, row.priority, row.timezone) == (admin_rows.REPORT.queue, admin_rows.REPORT.priority, "UTC")


def test_an_edit_of_anything_but_the_recurrence_keeps_the_next_run(operator: Client) -> None:
    row = admin_rows.schedule("nightly")

    answer = operator.post(f"{PAGE}{row.pk}/change/", _entered(row, overlap="allow", name="renamed"))

    assert answer.status_code == 302
    edited = _again(row)
    assert (edited.name, edited.overlap, edited.next_run_at) == ("nightly", "allow", row.next_run_at)
    assert edited.revision > row.revision


def test_an_edit_keeps_the_secrets_that_it_does_not_show(operator: Client) -> None:
    row = admin_rows.schedule("nightly")
    form = operator.get(f"{PAGE}{row.pk}/change/").context["adminform"].form
    assert "hunter2" not in form["args"].value()

    as_shown = {name: form[name].value() for name in ("args", "kwargs")}
    operator.post(f"{PAGE}{row.pk}/change/", _entered(row, **as_shown, priority="7"))
    assert (_again(row).priority, _again(row).args) == (7, ["eu", "hunter2"])

    operator.post(f"{PAGE}{row.pk}/change/", _entered(row, args='["eu", "hunter3"]'))
    assert _again(row).args == ["eu", "hunter3"]

    refused = operator.post(f"{PAGE}{row.pk}/change/", _entered(row, args='["********", "eu"]'))
    assert "Enter the value itself" in refused.content.decode()
    assert _again(row).args == ["eu", "hunter3"]


def test_an_edit_keeps_what_the_schedule_says_of_its_task_until_it_is_emptied(operator: Client) -> None:
    row = admin_rows.schedule("nightly", repeat=60, backoff=[5, 0.5], atomic=True, may_fail=False, max_attempts=3)
    names = ("backoff", "atomic", "fresh_connection", "may_fail", "max_attempts")
    form = operator.get(f"{PAGE}{row.pk}/change/").context["adminform"].form
    as_shown = {name: "" if form[name].value() is None else str(form[name].value()) for name in names}
    assert as_shown == dict(zip(names, ("5 0.5", "True", "", "False", "3"), strict=True))

    operator.post(f"{PAGE}{row.pk}/change/", _entered(row, **as_shown, cron="", repeat="60", priority="7"))
    assert (_again(row).priority, _again(row).task_options) == (7, row.task_options)

    operator.post(f"{PAGE}{row.pk}/change/", _entered(row, cron="", repeat="60"))
    assert (_again(row).task_options, _again(row).own_options) == (None, "")


@pytest.mark.parametrize(
    ("entered", "error"),
    [
        ({"backoff": "soon"}, "Give seconds, such as 15; or several, such as 5 60 600."),
        ({"backoff": "-1"}, "is no backoff"),
        ({"backoff": "nan"}, "is no backoff"),
        ({"max_attempts": "0"}, "max_attempts is 0, but must be a whole number"),
        ({"atomic": "perhaps"}, "Choose one of these."),
    ],
)
def test_what_cannot_be_said_of_a_task_is_refused_at_its_field(
    operator: Client, entered: dict[str, str], error: str
) -> None:
    answer = operator.post(f"{PAGE}add/", _entered(**entered))

    (field,) = entered
    (said,) = answer.context["adminform"].form.errors[field]
    assert error in said


def echo_all(x: str, y: str = "", **rest: str) -> None:
    """A task by whose parameters nothing is hidden."""


ECHO = tasks.register(Task(echo_all, "shop.tasks.echo_all"))


@pytest.mark.parametrize("name", ["args", "kwargs"])
def test_what_is_hidden_is_not_kept_for_another_task(operator: Client, name: str) -> None:
    hidden = {"args": '[["eu","hunter2"],{}]', "kwargs": '[["eu"],{"api_token":"hunter2"}]'}
    row = admin_rows.schedule("nightly", columns={"arguments": hidden[name]})
    form = operator.get(f"{PAGE}{row.pk}/change/").context["adminform"].form
    as_shown = {each: form[each].value() for each in ("args", "kwargs")}

    answer = operator.post(f"{PAGE}{row.pk}/change/", _entered(row, **as_shown, task=ECHO.name))

    assert answer.context["adminform"].form.errors == {
        name: [f"Hidden values were given for {TASK}. For another task, enter them again."]
    }
    assert "hunter2" not in answer.content.decode()
    assert (_again(row).task, _again(row).arguments) == (TASK, hidden[name])


def test_another_task_gets_what_is_entered_for_it(operator: Client) -> None:
    row = admin_rows.schedule("nightly")

    operator.post(f"{PAGE}{row.pk}/change/", _entered(row, task=ECHO.name, args='["eu", "hunter3"]'))

    assert (_again(row).task, _again(row).args) == (ECHO.name, ["eu", "hunter3"])


def test_a_task_that_is_gone_gives_no_secret_to_the_one_that_follows_it(operator: Client) -> None:
    row = admin_rows.schedule("nightly", columns={"task": "gone.tasks.old"})
    page = operator.get(f"{PAGE}{row.pk}/change/")
    as_shown = {each: page.context["adminform"].form[each].value() for each in ("args", "kwargs")}
    assert "hunter2" not in page.content.decode()

    for entered in (as_shown, {**as_shown, "args": '["eu", "********"]'}):
        answer = operator.post(f"{PAGE}{row.pk}/change/", _entered(row, **entered, task=ECHO.name))
        assert list(answer.context["adminform"].form.errors) == ["args"]

    assert _again(row).args == ["eu", "hunter2"]


def test_a_form_that_was_opened_before_the_task_changed_keeps_no_secret_for_the_old_one(operator: Client) -> None:
    row = admin_rows.schedule("nightly", columns={"task": ECHO.name, "arguments": '[[],{"token":"hunter2"}]'})
    form = operator.get(f"{PAGE}{row.pk}/change/").context["adminform"].form
    as_shown = {each: form[each].value() for each in ("args", "kwargs")}
    Schedule.objects.filter(pk=row.pk).update(task=TASK)

    answer = operator.post(f"{PAGE}{row.pk}/change/", _entered(row, **as_shown, task=ECHO.name))

    assert list(answer.context["adminform"].form.errors) == ["kwargs"]


@pytest.mark.parametrize("shown", [True, False], ids=["as shown", "left empty"])
def test_an_edit_keeps_the_grid_of_an_interval_to_the_microsecond(operator: Client, shown: bool) -> None:
    row = admin_rows.schedule("poll", repeat=3600)
    assert row.anchor is not None
    first_run = {"anchor_0": f"{row.anchor:%Y-%m-%d}", "anchor_1": f"{row.anchor:%H:%M:%S}"} if shown else {}

    operator.post(f"{PAGE}{row.pk}/change/", _entered(row, cron="", repeat="3600", queue="slow", **first_run))

    edited = _again(row)
    assert (edited.queue, edited.anchor, edited.next_run_at) == ("slow", row.anchor, row.next_run_at)


def test_an_edit_of_the_zone_keeps_what_the_clock_shows_of_a_first_run_that_nobody_touched(operator: Client) -> None:
    row = admin_rows.schedule("poll", repeat="1 day", timezone="Europe/Paris")
    assert row.anchor is not None
    reading = local(row.anchor, "Europe/Paris")
    shown = {"anchor_0": f"{reading:%Y-%m-%d}", "anchor_1": f"{reading:%H:%M:%S}"}

    operator.post(f"{PAGE}{row.pk}/change/", _entered(row, cron="", repeat="1 day", timezone="Asia/Tokyo", **shown))

    anchor = _again(row).anchor
    assert anchor is not None
    assert local(anchor, "Asia/Tokyo").replace(tzinfo=None) == local(row.anchor, "Europe/Paris").replace(tzinfo=None)


@pytest.mark.parametrize(("fate", "outcomes"), [("run", []), ("miss", ["missed"])])
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "edited"])
def test_what_becomes_of_a_one_off_whose_time_is_past_is_asked_first(
    operator: Client, is_new: bool, fate: str, outcomes: list[str]
) -> None:
    row = None if is_new else admin_rows.schedule("nightly")
    page = f"{PAGE}add/" if row is None else f"{PAGE}{row.pk}/change/"
    past = {"cron": "", "run_at_0": "2026-07-01", "run_at_1": "10:00:00"}

    asked = operator.post(page, _entered(row, **past))
    assert list(asked.context["adminform"].form.errors) == ["if_past"]
    answer = operator.post(page, _entered(row, **past, if_past=fate))

    assert answer.status_code == 302
    made = Schedule.objects.get(name="nightly")
    assert (made.next_run_at == made.run_at) is (fate == "run")
    assert list(Occurrence.objects.values_list("outcome", flat=True)) == outcomes


def test_an_edit_of_the_recurrence_moves_the_next_run(operator: Client) -> None:
    row = admin_rows.schedule("nightly")

    operator.post(f"{PAGE}{row.pk}/change/", _entered(row, cron="", repeat="60"))

    next_run_at = _again(row).next_run_at
    assert next_run_at is not None
    assert next_run_at <= database_now("default") + timedelta(seconds=60)


COULD_NOT_WORK: list[tuple[dict[str, str], str]] = [
    ({"name": ""}, "name"),
    ({"name": "a\tb"}, "name"),
    ({"name": "x" * 256}, "name"),
    ({"task": "os.system"}, "task"),
    ({"task": ""}, "task"),
    ({"cron": "75 1 * * *"}, "cron"),
    ({"cron": "0 0 31 2 *"}, "cron"),
    ({"cron": "* " * 500_000}, "cron"),
    ({"cron": "\x00"}, "cron"),
    ({"cron": "", "repeat": "now and then"}, "repeat"),
    ({"cron": "", "repeat": "9" * 40}, "repeat"),
    ({"cron": "", "repeat": "-5"}, "repeat"),
    ({"cron": "", "repeat": ""}, "__all__"),
    ({"repeat": "60"}, "__all__"),
    ({"cron": "", "run_at_0": "9999-12-31", "run_at_1": "23:59"}, "run_at"),
    ({"anchor_0": "0001-01-01", "anchor_1": "00:00"}, "anchor"),
    ({"anchor_0": "2030-01-01", "anchor_1": "00:00"}, "anchor"),
    (
        {
            "starts_at_0": "2031-01-01",
            "starts_at_1": "0:00",
            "repeat_until_0": "2030-01-01",
            "repeat_until_1": "0:00",
        },
        "__all__",
    ),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"timezone": "../../etc/passwd"}, "timezone"),
    ({"timezone": "x" * 5_000}, "timezone"),
    ({"args": "{}"}, "args"),
    ({"args": "[" * 50_000}, "args"),
    ({"args": "[NaN]"}, "args"),
    ({"args": "9" * 5_000}, "args"),
    ({"kwargs": "[]"}, "kwargs"),
    ({"kwargs": "{"}, "kwargs"),
    ({"kwargs": '{"a": Infinity}'}, "kwargs"),
    ({"queue": "x" * 101}, "queue"),
    ({"queue": "a\tb"}, "queue"),
    ({"priority": "101"}, "priority"),
    ({"priority": "9" * 5_000}, "priority"),
    ({"starts_at_0": "9999-12-31", "starts_at_1": "23:59"}, "starts_at"),
    ({"repeat_until_0": "yesterday", "repeat_until_1": "noon"}, "repeat_until"),
    ({"max_runs": "0"}, "max_runs"),
    ({"exclude": "2026-13-01"}, "exclude"),
    ({"exclude": "2026-01-01 " * 20_000}, "exclude"),
    ({"jitter": "-1"}, "jitter"),
    ({"jitter": "99999999999"}, "jitter"),
    ({"catch_up": "sometimes"}, "catch_up"),
    ({"max_catch_up": ""}, "max_catch_up"),
    ({"overlap": "cancel_running"}, "overlap"),
    ({"dst_gap": "jump"}, "dst_gap"),
]
"""What is entered, and the field that has the error. No database is asked about it."""


@pytest.mark.parametrize(
    ("entered", "field"),
    [({"name": "taken"}, "name"), *(pytest.param(*each, marks=pytest.mark.once) for each in COULD_NOT_WORK)],
    ids=lambda value: str(value)[:40],
)
def test_what_could_not_work_is_an_error_at_its_field(operator: Client, entered: dict[str, str], field: str) -> None:
    admin_rows.schedule("taken")

    answer = operator.post(f"{PAGE}add/", _entered(**entered))

    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [field]
    assert Schedule.objects.count() == 1


@pytest.mark.parametrize("depth", [400, 900])
def test_deeply_nested_arguments_are_refused_or_shown(operator: Client, depth: int) -> None:
    added = operator.post(f"{PAGE}add/", _entered(args="[" * depth + "]" * depth))

    if added.status_code == 302:
        assert operator.get(f"{PAGE}{Schedule.objects.get().pk}/change/").status_code == 200
    else:
        assert list(added.context["adminform"].form.errors) == ["args"]


def test_an_edit_that_could_not_work_changes_nothing(operator: Client) -> None:
    row = admin_rows.schedule("nightly")

    answer = operator.post(f"{PAGE}{row.pk}/change/", _entered(row, cron="61 * * * *"))

    assert list(answer.context["adminform"].form.errors) == ["cron"]
    assert _again(row).cron == row.cron


def test_deleting_takes_the_ledger_and_the_unstarted_jobs_along(operator: Client) -> None:
    row = admin_rows.schedule("nightly")
    operator.post(f"{PAGE}{row.pk}/do/run_now/")

    assert "Occurrences: 1" in operator.post(f"{PAGE}{row.pk}/delete/").content.decode()
    operator.post(f"{PAGE}{row.pk}/delete/", {"post": "yes"})

    assert not Schedule.objects.exists()
    assert not Occurrence.objects.exists()
    assert FinishedJob.objects.get().reason == "its schedule was deleted"


def test_what_is_declared_cannot_be_deleted(operator: Client) -> None:
    row = admin_rows.schedule("nightly", source=Source.SETTINGS)

    assert operator.post(f"{PAGE}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    operator.post(PAGE, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})

    assert Schedule.objects.get().name == "nightly"


# What the pages tell


def test_a_schedule_in_another_zone_shows_its_own_wall_time(operator: Client) -> None:
    row = admin_rows.schedule("digest", cron="0 7 * * *", timezone="Asia/Kolkata")

    for page in (PAGE, f"{PAGE}{row.pk}/change/"):
        text = operator.get(page).content.decode()
        assert ", 07:00</time>" in text
        assert "Asia/Kolkata" in text
        assert ", 01:30</time>" not in text


@pytest.mark.parametrize(
    ("day_before", "offsets", "note"),
    [
        (datetime(2027, 3, 27, 1, 30, tzinfo=UTC), ["+02:00", "+03:00", "+03:00"], "03:30 is skipped"),
        (datetime(2027, 10, 30, 0, 30, tzinfo=UTC), ["+03:00", "+03:00", "+02:00"], "03:30 occurs twice"),
    ],
)
def test_next_runs_carry_their_offset_and_tell_of_changes_of_the_clock(
    operator: Client, day_before: datetime, offsets: list[str], note: str
) -> None:
    columns = {"next_run_at": day_before, "settled_until": day_before - timedelta(days=1)}
    row = admin_rows.schedule("daily", cron="30 3 * * *", timezone="Europe/Riga", columns=columns)

    page = operator.get(f"{PAGE}{row.pk}/change/")

    runs = page.context["outlook"]
    assert len(runs) == 6
    assert [run.iso[-6:] for run in runs[:3]] == offsets
    assert [note in run.note for run in runs[:3]] == [False, True, False]
    assert note in page.content.decode()


def test_an_excluded_date_is_marked_among_the_next_runs(operator: Client) -> None:
    row = admin_rows.schedule("daily", cron="0 12 * * *")
    assert row.next_run_at is not None
    Schedule.objects.filter(pk=row.pk).update(exclude=row.next_run_at.date().isoformat())

    assert "Excluded: does not run" in operator.get(f"{PAGE}{row.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("status", "names"),
    [
        ("active", {"active", "declared"}),
        ("paused", {"paused"}),
        ("broken", {"broken"}),
        ("ended", {"ended"}),
        ("retired", {"retired"}),
    ],
)
def test_the_filter_by_status_finds_what_the_status_says(operator: Client, status: str, names: set[str]) -> None:
    now = database_now("default")
    admin_rows.schedule("active")
    admin_rows.schedule("declared", source=Source.CODE)
    admin_rows.schedule("paused", columns={"paused_at": now, "next_run_at": None})
    admin_rows.schedule("broken", columns={"broken": "why", "paused_at": now, "next_run_at": None})
    admin_rows.schedule("ended", columns={"next_run_at": None})
    admin_rows.schedule("retired", columns={"retired_at": now, "broken": "why", "next_run_at": None})

    rows = operator.get(f"{PAGE}?status={status}").context["cl"].result_list

    assert {row.name for row in rows} == names
    assert {row.status for row in rows} == {status}


def test_an_empty_list_says_what_to_do(operator: Client) -> None:
    assert "No schedules yet" in operator.get(PAGE).content.decode()

    admin_rows.schedule("nightly")
    assert "No schedule matches." in operator.get(f"{PAGE}?status=paused").content.decode()


def _entered(row: Schedule | None = None, /, **fields: str) -> Mapping[str, str]:
    """A valid form, with these fields as given."""
    valid = {
        "name": "nightly" if row is None else row.name,
        "task": TASK,
        "cron": "30 2 * * *",
        "timezone": "UTC" if row is None else row.timezone,
        "dst_gap": "run",
        "dst_overlap": "first",
        "catch_up": "latest",
        "overlap": "skip",
        "max_catch_up": "100",
        "late_after": "60",
        "jitter": "0",
    }
    return {**valid, **fields}


def _again(row: Schedule) -> Schedule:
    return Schedule.objects.get(pk=row.pk)


def _logged(row: Schedule) -> list[str]:
    return list(LogEntry.objects.filter(object_id=str(row.pk)).values_list("change_message", flat=True))


def _messages(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]
