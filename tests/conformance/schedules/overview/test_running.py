"""`list_schedule` and `jobs` tell how far running jobs are, and what one has logged."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules.overview import MOST_RUNNING
from tests.conformance.model.virtual import VirtualClock
from tests.conformance.worker.queue.jobs import ack, claim_one, enqueue, error
from tests.conformance.worker.reports.written import log, started, tell
from tests.schedules.commandline.test_list_schedule import Terminal
from worker.models import Job, JobReport
from worker.outcomes import Failed, Retry, Succeeded
from worker.values import ClaimedJob

pytestmark = pytest.mark.usefixtures("database")


def said(command: str, *given: str) -> str:
    out = StringIO()
    call_command(command, *given, stdout=out)
    return out.getvalue()


def running(*given: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said("list_schedule", "--json", *given))["running"]
    return found


def line_of(job: ClaimedJob, shown: str) -> str:
    (line,) = [line for line in shown.splitlines() if f"#{job.id} " in line]
    return line


# list_schedule


def test_the_list_tells_what_runs_since_when_and_how_far_it_is() -> None:
    job = started(verbose_name="Export", queue="mail", max_attempts=5)
    tell(job, 40, 120, "order 4711")

    head, *_ = [line for line in said("list_schedule").splitlines() if "PROGRESS" in line]
    line = line_of(job, said("list_schedule"))

    assert head.split() == ["SINCE", "STATE", "ATTEMPT", "QUEUE", "JOB", "TASK", "PROGRESS"]
    for part in ("running", "1 of 5", "mail", "Export", "40 of 120 - 33 % - order 4711"):
        assert part in line


def test_the_json_tells_the_same_and_null_for_what_a_task_has_not_told() -> None:
    telling, silent = started(), started()
    tell(telling, 40.5)

    first, second = running()

    assert (first["id"], second["id"]) == (telling.id, silent.id)
    at = first["progress"].pop("at")
    assert at.endswith("Z")
    assert first["progress"] == {"done": 40.5, "total": None, "note": None, "attempt": 1}
    assert second["progress"] is None


def test_where_no_job_tells_anything_there_is_no_such_column() -> None:
    started()

    assert "PROGRESS" not in said("list_schedule")
    assert "PROGRESS" not in said("jobs")


def test_what_an_earlier_attempt_told_is_marked() -> None:
    job = started()
    tell(job, 7)
    ack(job, Retry(error(), 0.0))
    again = claim_one()

    assert "7 - attempt 1" in line_of(again, said("list_schedule"))
    assert "7 - attempt 1" in line_of(again, said("jobs"))
    tell(again, 2)
    assert "attempt 1" not in said("list_schedule")


def test_those_are_shown_that_have_run_longest_and_where_to_see_the_others() -> None:
    jobs = [started() for _ in range(MOST_RUNNING)]
    assert [each["id"] for each in running()] == [job.id for job in jobs]
    started()

    assert [each["id"] for each in running()] == [job.id for job in jobs]
    assert "jobs --state running" in said("list_schedule")


def test_a_queue_leaves_out_what_runs_on_others_and_filters_of_schedules_leave_out_all() -> None:
    mail, _ = started(queue="mail"), started(queue="other")

    assert [each["id"] for each in running("--queue", "mail")] == [mail.id]
    assert running("--paused") == []
    assert running("--failing") == []


def test_a_schedule_in_detail_tells_how_far_its_own_job_is_and_no_other() -> None:
    ours, others = (VirtualClock().declared(name, repeat=60) for name in ("ours", "others"))
    job, other = started(schedule_id=ours.pk), started(schedule_id=others.pk)
    started()
    tell(job, 40, 120)
    tell(other, 5, 6)

    shown = said("list_schedule", "ours")

    assert [each["id"] for each in running("ours")] == [job.id]
    assert [each["schedule"] for each in running("ours")] == ["ours"]
    (line,) = [line for line in shown.splitlines() if line.startswith("  Running")]
    assert re.search(rf"#{job.id} for \d+s, attempt 1 of 5 - 40 of 120 - 33 % - told \d+s ago", line)
    assert "5 of 6" not in shown


def test_what_running_jobs_cost_does_not_grow_with_them_and_where_none_runs_no_report_is_read() -> None:
    def statements(command: str) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            said(command)
        return [each["sql"] for each in queries]

    def of_reports(command: str) -> list[str]:
        return [sql for sql in statements(command) if JobReport._meta.db_table in sql]

    enqueue()
    assert [of_reports("list_schedule"), of_reports("jobs")] == [[], []]
    tell(claim_one(), 1)
    one = len(statements("list_schedule"))
    for _ in range(5):
        tell(started(), 1)

    assert len(statements("list_schedule")) == one
    assert [len(of_reports("list_schedule")), len(of_reports("jobs"))] == [1, 1]


def test_a_list_reads_no_log() -> None:
    job = started()
    tell(job, 1)
    log(job, "something long")

    with CaptureQueriesContext(connection) as queries:
        for command in (["list_schedule"], ["jobs"], ["jobs", "--json"]):
            said(*command)

    column = connection.ops.quote_name("log")
    assert not [
        each["sql"] for each in queries if f"{JobReport._meta.db_table}" in each["sql"] and column in each["sql"]
    ]


@pytest.mark.parametrize("given", [["list_schedule"], ["list_schedule", "--json"], ["jobs"], ["jobs", "--json"]])
def test_secrets_in_a_note_are_hidden(given: list[str]) -> None:
    tell(started(), 1, note="password=hunter2")

    shown = said(*given)

    assert "password" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", ["list_schedule", "jobs"])
def test_on_a_terminal_no_line_is_wider_than_it(command: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    for _ in range(MOST_RUNNING):
        tell(started(task=f"shop.{'very_' * 20}long.task", queue="q" * 40), 40, 120, "order " * 20)
    terminal = Terminal()

    call_command(command, stdout=terminal)

    assert "40 of 120" in terminal.text
    assert all(len(line) <= columns for line in terminal.text.splitlines())


# jobs


def test_jobs_tells_how_far_those_are_that_run() -> None:
    done, job = started(), started()
    tell(done, 120, 120)
    ack(done, Succeeded())
    tell(job, 40, 120)

    shown = said("jobs")

    assert "40 of 120 - 33 %" in line_of(job, shown)
    assert "120 of 120" not in shown


def test_the_json_of_jobs_has_the_last_that_a_finished_job_told() -> None:
    job, other = started(), started()
    tell(job, 40, 120, "order 4711")
    ack(job, Failed(error()))
    ack(other, Succeeded())

    told = {each["id"]: each["progress"] for each in json.loads(said("jobs", "--json"))["jobs"]}

    assert (told[job.id]["done"], told[job.id]["total"], told[job.id]["note"]) == (40, 120, "order 4711")
    assert told[other.id] is None


def test_the_log_of_a_job_is_written_while_it_runs_and_afterwards() -> None:
    job = started()
    log(job, "reading a", "reading b")

    lines = said("jobs", str(job.id), "--log").splitlines()
    assert lines[1:] == ["reading a", "reading b"]
    ack(job, Succeeded())
    assert said("jobs", str(job.id), "--log").splitlines() == lines


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "--log goes with the id of one job, but 0 are given"),
        (["1", "2"], "--log goes with the id of one job, but 2 are given"),
        (["1", "--json"], "--json does nothing beside --log"),
        (["1", "--enqueued-after", "24h"], "--enqueued-after does nothing beside --log"),
        (["4711"], "id is 4711, but must be the id of a job that is in the queue or in history"),
    ],
)
def test_a_log_that_cannot_be_meant_is_refused(given: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        said("jobs", *given, "--log")


def test_of_a_job_without_a_log_it_says_what_keeps_one() -> None:
    job = started()
    tell(job, 1)

    with pytest.raises(CommandError, match=rf"Job #{job.id} has no log. With log=True"):
        said("jobs", str(job.id), "--log")
    assert Job.objects.get().state == "running"
