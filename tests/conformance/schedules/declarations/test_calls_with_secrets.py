"""Schedules of calls whose arguments hold secrets: their names tell none, and equal calls still make one schedule."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client, override_settings

from schedules import api
from schedules.api import NoSuchSchedule
from schedules.declarations.background import background
from schedules.models import Schedule
from tests.app.tasks import nothing
from worker.masking import MASK

pytestmark = pytest.mark.usefixtures("database")


@background(name="vault.tasks.log_in")
def log_in(user: str, password: str, note: str = "") -> None: ...


def called(password: str, user: str = "ann") -> Schedule:
    made = log_in.using(repeat=3600).enqueue(user, password)
    assert isinstance(made, Schedule)
    return made


def test_the_name_of_a_schedule_tells_no_secret_of_its_call() -> None:
    name = called("hunter2").name

    assert name.startswith(f'vault.tasks.log_in("ann", "{MASK}") ~')
    assert "hunter2" not in name


def test_a_call_without_secrets_is_named_in_full() -> None:
    made = nothing.using(repeat=3600).enqueue(7)

    assert isinstance(made, Schedule)
    assert made.name == "tests.app.tasks.nothing(7)"


def test_a_key_is_the_name_that_was_chosen() -> None:
    made = log_in.using(repeat=3600, key="ann").enqueue("ann", "hunter2")

    assert isinstance(made, Schedule)
    assert made.name == "vault.tasks.log_in#ann"


def test_equal_calls_make_one_schedule_and_those_with_another_secret_another() -> None:
    one, again, other = called("hunter2"), called("hunter2"), called("hunter3")

    assert one.pk == again.pk != other.pk
    assert one.name != other.name
    assert [row.args for row in (one, other)] == [["ann", "hunter2"], ["ann", "hunter3"]]
    assert Schedule.objects.count() == 2


def test_what_decides_on_the_name_does_not_decide_on_what_is_the_same() -> None:
    """Another SECRET_KEY, or other names to hide, give the schedule another name, and make no second one."""
    first = called("hunter2")

    with override_settings(SECRET_KEY="another"):
        renewed = called("hunter2")
    with override_settings(SCHEDULER={"HIDE": []}):
        in_full = called("hunter2")

    assert first.pk == renewed.pk == in_full.pk
    assert first.name != renewed.name
    assert in_full.name == 'vault.tasks.log_in("ann", "hunter2")'
    assert called("hunter2").name == first.name
    assert Schedule.objects.count() == 1


def test_a_name_that_hides_something_finds_its_schedule_and_no_other() -> None:
    row, other = called("hunter2"), called("hunter3")

    api.get(row.name).pause("why")
    shown = StringIO()
    call_command("list_schedule", row.name, stdout=shown)

    assert [Schedule.objects.get(pk=each.pk).status for each in (row, other)] == ["paused", "active"]
    assert row.name in shown.getvalue()
    assert other.name not in shown.getvalue()
    assert api.get('vault.tasks.log_in("ann", "hunter2")').row.pk == row.pk  # whoever knows the call may name it
    with pytest.raises(NoSuchSchedule):
        api.get(f"{row.name[:-1]}x")


def test_the_form_does_not_tell_whether_a_guess_of_the_secret_is_right(admin_client: Client) -> None:
    called("hunter2")
    errors = []

    for guess in ("hunter1", "hunter2"):
        entered = {"name": f'vault.tasks.log_in("ann", "{guess}")', "task": "vault.tasks.log_in", "repeat": "60"}
        answer = admin_client.post("/admin/schedules/schedule/add/", entered)
        errors.append(answer.context["adminform"].form.errors["name"])

    assert (
        errors[0]
        == errors[1]
        == ["Put a blank before the bracket: only schedules that calls make have names such as task(…)."]
    )
    assert Schedule.objects.count() == 1


def test_no_page_and_no_command_tells_the_secret_by_a_name(admin_client: Client) -> None:
    row = called("hunter2")
    api.get(row.name).run_now()
    page = "/admin/schedules/schedule/"
    written = StringIO()

    for address in (page, f"{page}{row.pk}/change/", f"{page}{row.pk}/delete/", f"{page}{row.pk}/history/"):
        written.write(admin_client.get(address).content.decode())
    for listed in ("schedules/occurrence", "worker/job"):
        written.write(admin_client.get(f"/admin/{listed}/").content.decode())
    for options in ([], ["--json"], [row.name]):
        call_command("list_schedule", *options, stdout=written)

    assert "hunter2" not in written.getvalue()
    assert not admin_client.get(page, {"q": "hunter2"}).context["cl"].result_count
    assert admin_client.get(page, {"q": "log_in"}).context["cl"].result_count == 1
