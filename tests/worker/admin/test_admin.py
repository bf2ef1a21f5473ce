"""Jobs in the admin: cancelling, retrying, and one address for a job wherever it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from tests.schedules.admin import admin_rows
from worker import queue
from worker.admin import arguments
from worker.clock import database_now
from worker.models import FinishedJob, FinishedState, Job, JobReport, JobState, WorkerProcess

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


def test_a_job_that_runs_says_how_far_it_is_in_the_list_and_what_it_logs_on_its_page(operator: Client) -> None:
    job = admin_rows.job(JobState.RUNNING, claim=1)
    now = database_now(admin_rows.ALIAS)
    told = {"attempt": 2, "done": 40.0, "total": 120.0, "note": f"token=abc {admin_rows.HOSTILE}", "progress_at": now}
    JobReport.objects.create(id=job.pk, log=f"=== attempt 2\npassword=hunter2 {admin_rows.HOSTILE}", **told)

    listed, page = (operator.get(address).content.decode() for address in (JOBS, f"{JOBS}{job.pk}/change/"))
    for each in (listed, page):
        assert '<progress max="1" value="0.3333" aria-label="40 of 120"></progress>' in each
        assert "40 of 120 · token=********" in each
        assert admin_rows.HOSTILE not in each
    assert '<pre class="carillon-log" tabindex="0" role="region" aria-labelledby="carillon-log">=== attempt 2' in page
    assert "password=********" in page
    assert "hunter2" not in page
    assert "attempt 2" in page


def test_a_finished_job_says_how_far_it_was_and_one_that_told_nothing_has_no_such_part(operator: Client) -> None:
    admin_rows.finished(7)
    admin_rows.finished(8)
    JobReport.objects.create(id=7, attempt=1, done=3.5, progress_at=database_now(admin_rows.ALIAS))

    assert ">3.5</span>" in operator.get(f"{FINISHED}7/change/").content.decode()
    page = operator.get(f"{FINISHED}8/change/").content.decode()
    assert "Progress" not in page
    assert "carillon-log" not in page


def test_cancelling_ends_what_nobody_has_started_and_asks_what_runs_to_stop(operator: Client) -> None:
    waiting = [admin_rows.job(state) for state in queue.UNSTARTED]
    running = [admin_rows.job(JobState.RUNNING, claim=n) for n in (1, 2, 3)]

    answer = _act(operator, JOBS, "cancel", [job.pk for job in (*waiting, *running)])

    assert "Cancelled 4 jobs. Asked 3 running jobs to stop." in _messages(answer)
    asked = dict(Job.objects.values_list("pk", "cancel_reason"))
    assert asked == {job.pk: "Cancelled by olga." for job in running}
    assert "asked to stop. Cancelled by olga." in operator.get(f"{JOBS}{running[0].pk}/change/").content.decode()
    ended = FinishedJob.objects.get(pk=waiting[0].pk)
    assert (ended.state, ended.reason) == (FinishedState.CANCELLED, "Cancelled by olga.")


@pytest.mark.parametrize("name", ["ol\u202ega", "ol\nga", "o" * 300], ids=["hidden", "two lines", "long"])
def test_a_job_is_cancelled_by_whomever_however_he_is_called(
    operator: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(User, "__str__", lambda user: name)
    job = admin_rows.job()

    operator.post(f"{JOBS}{job.pk}/do/cancel/")

    reason = FinishedJob.objects.get(pk=job.pk).reason
    assert reason.startswith("Cancelled by o")
    assert reason.isprintable()


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


def test_what_was_retried_before_is_skipped_and_counted_and_its_page_says_when(operator: Client) -> None:
    for id in range(1, 4):
        admin_rows.finished(id)
    queue.retry([1, 2], "default")

    answer = _act(operator, FINISHED, "retry", [1, 2, 3])

    again = Job.objects.get(retry_of=3)
    assert f"Enqueued it again as job #{again.pk}. Skipped 2 that were retried before." in _messages(answer)
    assert Job.objects.count() == 3
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {"3"}
    assert "Enqueued 0 jobs again. Skipped 3" in _messages(_act(operator, FINISHED, "retry", [1, 2, 3]))

    page = operator.get(f"{FINISHED}1/change/").content.decode()
    assert "<label>Retried at:</label>" in page
    assert "/do/retry/" not in page
    assert "This action does not apply any more." in _messages(operator.post(f"{FINISHED}1/do/retry/", follow=True))


def test_the_page_of_a_finished_job_says_until_when_its_task_keeps_it_and_which_options_were_its_own(
    operator: Client,
) -> None:
    until = datetime(2031, 5, 17, 12, tzinfo=UTC)
    admin_rows.finished(1, keep_until=until, task_options='{"backoff": 90}')
    admin_rows.finished(2)

    page, other = (operator.get(f"{FINISHED}{id}/change/").content.decode() for id in (1, 2))

    assert "<label>Kept until:</label>" in page
    assert "2031" in page
    assert "2031" not in other
    assert "backoff" in page


def test_a_thousand_jobs_are_retried_with_few_statements_and_each_has_it_in_its_history(operator: Client) -> None:
    first = admin_rows.finished(1)
    FinishedJob.objects.bulk_create([_copy(first, id) for id in range(2, 1001)])

    with CaptureQueriesContext(connection) as queries:
        everything = {"action": "retry", "_selected_action": [1], "select_across": "1"}
        answer = operator.post(FINISHED, everything, follow=True)

    assert "Enqueued 1000 jobs again." in _messages(answer)
    assert len(queries) < 150
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {str(id) for id in range(1, 1001)}
    ids = sorted(Job.objects.filter(retry_of__lte=500).values_list("pk", flat=True))
    told = LogEntry.objects.get(object_id="7").change_message
    assert told == f"Retried as one of the jobs #{ids[0]} to #{ids[-1]}."


def _copy(job: FinishedJob, id: int) -> FinishedJob:
    values = {field.attname: getattr(job, field.attname) for field in FinishedJob._meta.concrete_fields}
    return FinishedJob(**values | {"id": id})


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
    job = admin_rows.job(JobState.RUNNING, claim=1, cancel_reason="")

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
