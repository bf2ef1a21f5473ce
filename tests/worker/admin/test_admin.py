"""Jobs in the admin: cancelling, retrying, and one address for a job wherever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils.html import strip_tags

from tests.schedules.admin import admin_rows
from worker import queue
from worker.admin import arguments
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job, JobState, WorkerProcess

pytestmark = pytest.mark.usefixtures("database")

JOBS, FINISHED = "/admin/worker/job/", "/admin/worker/finishedjob/"


@pytest.fixture
def operator(client: Client) -> Client:
    """Somebody who may do to jobs all that can be done."""
    user = User.objects.create_user("olga", is_staff=True)
    codenames = ["view_job", "view_finishedjob", "cancel_job", "retry_job"]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def test_a_job_that_waits_says_why_in_the_list_and_on_its_page(operator: Client) -> None:
    job = admin_rows.job(queue="mail")
    now = database_now(admin_rows.ALIAS)
    WorkerProcess.objects.create(name="web-1:1", slots=4, queues="mail,slow", started_at=now, heartbeat_at=now)
    why = "No worker drains its queue. Those alive drain only &quot;mail,slow&quot;."

    assert why in operator.get(JOBS).content.decode()
    assert why in operator.get(f"{JOBS}{job.pk}/change/").content.decode()

    WorkerProcess.objects.create(name="web-2:1", slots=4, started_at=now, heartbeat_at=now)
    assert "It waits for a free slot." in operator.get(JOBS).content.decode()


def test_cancelling_ends_what_nobody_has_started_and_counts_what_runs(operator: Client) -> None:
    waiting = [admin_rows.job(state) for state in queue.UNSTARTED]
    running = [admin_rows.job(JobState.RUNNING, claim=n) for n in (1, 2, 3)]

    answer = _act(operator, JOBS, "cancel", [job.pk for job in (*waiting, *running)])

    assert "Cancelled 4 jobs. Skipped 3 that were running or finished." in _messages(answer)
    assert set(Job.objects.values_list("pk", flat=True)) == {job.pk for job in running}
    ended = FinishedJob.objects.get(pk=waiting[0].pk)
    assert (ended.state, ended.reason) == (FinishedState.CANCELLED, "Cancelled by olga.")


def test_the_history_of_a_cancelled_job_names_who_cancelled_it(operator: Client) -> None:
    job = admin_rows.job()

    operator.post(f"{JOBS}{job.pk}/do/cancel/")

    assert "Cancelled by olga." in operator.get(f"{FINISHED}{job.pk}/history/").content.decode()


def test_retrying_enqueues_a_new_job_that_is_linked_to_the_finished_one(operator: Client) -> None:
    admin_rows.finished(7, FinishedState.FAILED)

    answer = operator.post(f"{FINISHED}7/do/retry/", follow=True)

    again = Job.objects.get(retry_of=7)
    assert f"Enqueued it again as job #{again.pk}." in _messages(answer)
    assert LogEntry.objects.get(object_id="7").change_message == f"Retried as job #{again.pk}."
    assert FinishedJob.objects.filter(pk=7).exists()


def test_many_finished_jobs_are_retried_at_once(operator: Client) -> None:
    for id in range(1, 6):
        admin_rows.finished(id)

    answer = _act(operator, FINISHED, "retry", [1, 2, 3])

    assert "Enqueued 3 jobs again." in _messages(answer)
    assert set(Job.objects.values_list("retry_of", flat=True)) == {1, 2, 3}


def test_one_address_finds_a_job_before_and_after_it_is_finished(operator: Client) -> None:
    job = admin_rows.job()
    assert operator.get(f"{JOBS}{job.pk}/change/").status_code == 200
    assert operator.get(f"{FINISHED}{job.pk}/change/").headers["Location"] == f"{JOBS}{job.pk}/change/"

    queue.cancel([job.pk], "no longer needed", "default")

    assert operator.get(f"{FINISHED}{job.pk}/change/").status_code == 200
    assert operator.get(f"{JOBS}{job.pk}/change/").headers["Location"] == f"{FINISHED}{job.pk}/change/"


@pytest.mark.parametrize("id", ["0", "x", "9" * 50, "-1", "1_0", "٣"])
def test_an_address_of_no_job_leads_back_to_the_index(operator: Client, id: str) -> None:
    assert operator.get(f"{JOBS}{id}/change/").headers["Location"] == "/admin/"


def test_a_button_pressed_too_late_says_so_and_does_nothing(operator: Client) -> None:
    job = admin_rows.job(JobState.RUNNING, claim=1)

    answer = operator.post(f"{JOBS}{job.pk}/do/cancel/", follow=True)

    assert "This action does not apply any more." in _messages(answer)
    assert Job.objects.get(pk=job.pk).state == JobState.RUNNING


def test_arguments_are_hidden_by_their_names_also_where_they_are_positional() -> None:
    given = json.dumps([["eu", "hunter2"], {"deep": True, "nested": [{"password": "hunter3"}], "note": "\ud800"}])

    page = arguments.shown(admin_rows.REPORT.name, given)

    assert "hunter" not in page
    assert "eu" in page
    assert page.encode()


def test_arguments_of_an_unknown_task_are_shown_by_keyword_alone() -> None:
    page = arguments.shown("gone.tasks.old", json.dumps([["hunter2"], {"api_key": "hunter3", "region": "eu"}]))

    assert "hunter" not in page
    assert "eu" in page


@pytest.mark.parametrize(
    ("stored", "shown"),
    [('{"token":"hunter2","pages":7}', "pages"), ("[", "cannot be shown"), (None, "–")],
    ids=["kept", "unreadable", "not kept"],
)
def test_a_result_is_shown_without_its_secrets(operator: Client, stored: str | None, shown: str) -> None:
    job = admin_rows.finished(1, result_text=stored)

    page = operator.get(f"{FINISHED}{job.pk}/change/").content.decode()

    assert shown in page
    assert "hunter" not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?state__exact=failed", {2}),
        ("?queue=slow", {3}),
        ("?queue=nowhere", set()),
        ("?task=shop.tasks.send_report", {1, 2, 3}),
        ("?schedule_id=5", {1}),
        ("?schedule_id=five", set()),
        (f"?schedule_id={'9' * 40}", set()),
        ("?q=2", {2}),
        ("?q=send_report", {1, 2, 3}),
        ("?q=%27%22%25_", set()),
        ("?q=%00", {1, 2, 3}),
    ],
)
def test_the_history_is_filtered_and_searched(operator: Client, query: str, found: set[int]) -> None:
    admin_rows.finished(1, schedule_id=5)
    admin_rows.finished(2, FinishedState.FAILED)
    admin_rows.finished(3, queue="slow")

    page = operator.get(f"{FINISHED}{query}")

    assert page.status_code == 200
    assert {job.pk for job in page.context["cl"].result_list} == found


def test_a_job_that_failed_tells_its_story_in_order(operator: Client) -> None:
    admin_rows.everything()

    page = operator.get(f"{FINISHED}900002/change/")

    words = [step.words for step, _moment, _ahead in page.context["steps"]]
    assert words[:3] == ["Scheduled for", "Enqueued", "Attempt 1 failed: TimeoutError"]
    assert words[-1] == "Attempt 3 failed: TimeoutError"
    assert page.content.decode().count("<details") >= 3


def _act(client: Client, page: str, action: str, keys: list[int]) -> Any:
    return client.post(page, {"action": action, "_selected_action": keys}, follow=True)


def _messages(answer: Any) -> str:
    return " ".join(strip_tags(str(message)) for message in answer.context["messages"])
