"""Two who edit the same schedule: the second is told what changed meanwhile, and takes nothing back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from schedules import api, changes
from schedules.api import RevisionConflict
from schedules.models import Schedule, Source
from schedules.recurrence.zones import local
from tests.conformance.model.virtual import ALIAS, REPORT, VirtualClock, again, declared
from tests.schedules.recurrence.moments import at

pytestmark = pytest.mark.usefixtures("database")

PAGE = "/admin/schedules/schedule/{}/change/"


def signed_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(name))
    return client


def opened(client: Client, row: Schedule) -> dict[str, str]:
    """What a browser would send of the form as it was shown."""
    form = client.get(PAGE.format(row.pk)).context["adminform"].form
    sent: dict[str, str] = {}
    for bound in form:
        value = bound.value()
        if hasattr(bound.field.widget, "widgets"):
            parts = bound.field.widget.decompress(value)
            sent |= {f"{bound.name}_{n}": "" if part is None else str(part) for n, part in enumerate(parts)}
        elif value is not None and value is not False:
            sent[bound.name] = str(value)
    return sent


def errors(answer: Any) -> str:
    """What was wrong with the whole of it."""
    return " ".join(answer.context["adminform"].form.non_field_errors())


def saved(answer: Any) -> bool:
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    return True


def test_l8_the_second_save_of_a_stale_form_is_refused_with_who_changed_what() -> None:
    row = declared("nightly", source=Source.ADMIN, cron="0 3 * * *")
    olga, bob = signed_in("olga"), signed_in("bob")
    first, second = opened(olga, row), opened(bob, row)

    assert saved(olga.post(PAGE.format(row.pk), {**first, "cron": "0 5 * * *"}))
    refused = bob.post(PAGE.format(row.pk), {**second, "queue": "mail"})

    assert errors(refused).startswith(
        "Not saved: olga changed this schedule after you opened the page (cron expression)."
    )
    assert (again(row).cron, again(row).queue) == ("0 5 * * *", "default")
    assert LogEntry.objects.count() == 1
    assert saved(bob.post(PAGE.format(row.pk), {**opened(bob, row), "queue": "mail"}))
    assert (again(row).cron, again(row).queue) == ("0 5 * * *", "mail")


def test_what_the_api_changed_meanwhile_is_told_too() -> None:
    row = declared("nightly", cron="0 3 * * *", args=["secret"])
    bob = signed_in("bob")
    form = opened(bob, row)

    api.schedule(REPORT, name="nightly", cron="0 3 * * *", args=["other"], jitter=5)

    refused = errors(bob.post(PAGE.format(row.pk), form))
    assert "code or the API changed this schedule after you opened the page (jitter, arguments)" in refused


def test_a_run_and_a_pause_leave_a_form_fresh(clock: VirtualClock) -> None:
    row = clock.declared("nightly", source=Source.ADMIN, cron="* * * * *")
    bob = signed_in("bob")
    form = opened(bob, row)

    clock.tick("10:05")
    changes.pause(again(row), ALIAS, clock.now(), reason="holiday")

    assert saved(bob.post(PAGE.format(row.pk), {**form, "jitter": "7"}))
    assert again(row).jitter == 7


@pytest.mark.parametrize("garbage", ["{", "[]", '{"marks": 1, "last": 1}', '{"marks": {}, "last": "x"}'])
def test_a_form_that_says_nothing_of_what_it_was_opened_for_is_refused(garbage: str) -> None:
    row = declared("nightly", source=Source.ADMIN, cron="0 3 * * *")
    bob = signed_in("bob")

    refused = bob.post(PAGE.format(row.pk), {**opened(bob, row), "opened": garbage})

    assert "Open the page again" in errors(refused)


def test_a_form_shows_nothing_from_which_a_hidden_argument_could_be_guessed() -> None:
    row = declared("nightly", source=Source.ADMIN, cron="0 3 * * *")
    other = declared("other", source=Source.ADMIN, cron="0 3 * * *")

    marks, others = changes.marks_of(row), changes.marks_of(other)

    assert not set(marks.values()) & set(others.values()), "equal values of two schedules have other marks"
    assert all(re.fullmatch("[0-9a-f]{16}", mark) for mark in marks.values())


def test_an_edit_that_is_made_between_the_look_and_the_lock_is_not_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = declared("nightly", source=Source.ADMIN, cron="0 3 * * *")
    bob = signed_in("bob")
    form = opened(bob, row)
    edit = changes.edit

    def beaten(schedule: Schedule, *args: Any, **columns: Any) -> Schedule:
        edit(schedule, args[0], args[1], cron="0 5 * * *")
        return edit(schedule, *args, **columns)

    monkeypatch.setattr(changes, "edit", beaten)
    answer = bob.post(PAGE.format(row.pk), {**form, "queue": "mail"}, follow=True)

    assert "it was changed, or deleted and made anew" in answer.content.decode()
    assert again(row).queue == "default"


# The API


def test_an_edit_that_names_a_revision_is_refused_once_that_is_over() -> None:
    handle = api.schedule(REPORT, name="nightly", cron="0 3 * * *")
    seen = handle.revision
    api.schedule(REPORT, name="nightly", cron="0 5 * * *")

    with pytest.raises(RevisionConflict, match="nightly: it was changed, or deleted and made anew"):
        api.schedule(REPORT, name="nightly", cron="0 3 * * *", queue="mail", revision=seen)

    assert (handle.row.cron, handle.row.queue) == ("0 5 * * *", "default")
    api.schedule(REPORT, name="nightly", cron="0 6 * * *", revision=handle.revision)
    assert handle.row.cron == "0 6 * * *"


def test_an_edit_of_a_schedule_that_is_gone_makes_no_other() -> None:
    handle = api.schedule(REPORT, name="nightly", cron="0 3 * * *")
    seen = handle.revision
    handle.delete()

    with pytest.raises(RevisionConflict):
        api.schedule(REPORT, name="nightly", cron="0 5 * * *", revision=seen)

    assert not Schedule.objects.exists()


# Times in a form


def test_a_form_shows_and_takes_times_by_the_clock_of_the_schedule_and_says_so() -> None:
    row = declared("nightly", source=Source.ADMIN, cron="0 3 * * *", timezone="Asia/Tokyo", starts_at=at("2026-12-01"))
    bob = signed_in("bob")

    form = opened(bob, row)
    assert (form["starts_at_0"], form["starts_at_1"]) == ("2026-12-01", "09:00:00")
    assert "Asia/Tokyo" in bob.get(PAGE.format(row.pk)).context["adminform"].form.fields["starts_at"].help_text

    bob.post(PAGE.format(row.pk), {**form, "repeat_until_0": "2027-01-01", "repeat_until_1": "08:30"})
    until = again(row).repeat_until
    assert until is not None
    assert f"{local(until, 'Asia/Tokyo'):%Y-%m-%d %H:%M}" == "2027-01-01 08:30"
    assert again(row).starts_at == at("2026-12-01")


def test_a_time_that_is_entered_with_another_zone_is_by_the_clock_of_that_one() -> None:
    row = declared("nightly", source=Source.ADMIN, cron="0 3 * * *", timezone="Asia/Tokyo", starts_at=at("2026-12-01"))
    bob = signed_in("bob")

    moved = {"timezone": "Europe/Paris", "repeat_until_0": "2027-01-01", "repeat_until_1": "08:30"}
    bob.post(PAGE.format(row.pk), {**opened(bob, row), **moved})

    until = again(row).repeat_until
    assert until is not None
    assert f"{local(until, 'Europe/Paris'):%H:%M}" == "08:30"
    assert again(row).starts_at == at("2026-12-01"), "nobody touched it"
