"""`jobs`, `cancel_jobs` and `retry_jobs` as people and scripts see them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from schedules import api
from tests.app.tasks import nothing
from tests.conformance.worker.queue.jobs import ack, claim, enqueue, enqueue_in, error, state_of
from tests.documents import page
from tests.processes import ROOT
from tests.schedules.commandline.test_list_schedule import Terminal
from worker.models import FinishedJob, Job, JobState
from worker.outcomes import Failed, Succeeded

pytestmark = pytest.mark.usefixtures("database")


def said(command: str, *given: str, out: Any = None) -> str:
    stream = out or StringIO()
    call_command(command, *given, stdout=stream)
    return stream.text if isinstance(stream, Terminal) else str(stream.getvalue())


def failed(**given: Any) -> int:
    id = enqueue(**given)
    for job in claim():
        ack(job, Failed(error()))
    return id


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    return Terminal()


# jobs


def test_the_newest_come_first_from_the_queue_and_from_history_alike() -> None:
    first, second = failed(), enqueue_in(JobState.SCHEDULED)
    third = failed()

    lines = said("jobs").splitlines()

    assert [line.split()[0] for line in lines[1:4]] == [f"#{third}", f"#{second}", f"#{first}"]
    assert [line.split()[1] for line in lines[1:4]] == ["failed", "scheduled", "failed"]


def test_a_line_says_what_became_of_a_job_and_why() -> None:
    failed(verbose_name="Report of May", queue="mail")

    (line,) = said("jobs").splitlines()[1:-2]

    for part in ("failed", "1 of 5", "mail", "Report of May", "ValueError: no"):
        assert part in line


def test_secrets_in_a_reason_are_hidden() -> None:
    id = enqueue()
    ack(claim()[0], Failed(error("password=hunter2")))

    assert "hunter2" not in said("jobs")
    assert "hunter2" not in said("jobs", str(id), "--json")


def test_filters_and_ids_leave_out_jobs() -> None:
    mail, other = enqueue(queue="mail"), enqueue(queue="other")

    assert f"#{mail}" in said("jobs", "--queue", "mail")
    assert f"#{other}" not in said("jobs", "--queue", "mail")
    assert f"#{other}" in said("jobs", str(other))
    assert f"#{mail}" not in said("jobs", str(other))
    assert said("jobs", "--state", "failed") == "No jobs match.\n"


def test_jobs_of_a_schedule_are_found_by_its_name_or_the_last_part() -> None:
    schedule = api.schedule(nothing, name="shop.tasks.report", args=[1], cron="0 7 * * *")
    ours = enqueue(schedule_id=schedule.row.pk)
    enqueue()

    (found,) = json.loads(said("jobs", "--schedule", "report", "--json"))["jobs"]
    assert (found["id"], found["schedule"]) == (ours, "shop.tasks.report")
    with pytest.raises(CommandError, match="There is no schedule"):
        said("jobs", "--schedule", "nightly")


def test_a_span_means_so_long_ago() -> None:
    old, new = enqueue(), enqueue()
    row = Job.objects.filter(pk=old)
    row.update(enqueued_at=row.get().enqueued_at - timedelta(hours=30))

    ids = [job["id"] for job in json.loads(said("jobs", "--enqueued-after", "24h", "--json"))["jobs"]]

    assert ids == [new]


def test_the_json_has_the_documented_fields_and_no_others() -> None:
    enqueue()
    failed()

    told = json.loads(said("jobs", "--json"))

    fields = {f"jobs[].{name}" for name in told["jobs"][0]} | {"version", "now", "jobs"}
    assert set(page("reference/commands.md").table("Field", "The object of `jobs --json`")) == fields
    assert all(job.keys() == told["jobs"][0].keys() for job in told["jobs"])


def test_what_a_list_costs_does_not_grow_with_the_jobs() -> None:
    def cost(count: int) -> int:
        for _ in range(count):
            enqueue()
        with CaptureQueriesContext(connection) as queries:
            said("jobs", "--limit", "50")
        return len(queries)

    assert cost(1) == cost(30) <= 4


def test_no_line_is_wider_than_the_terminal(terminal: Terminal) -> None:
    failed(task=f"shop.{'very_' * 30}long.task", queue="a" * 90)

    assert all(len(line) <= 100 for line in said("jobs", out=terminal).splitlines())


def test_no_more_than_the_limit_are_shown_and_it_says_so() -> None:
    _, second, third = [enqueue() for _ in range(3)]

    text = said("jobs", "--limit", "2")

    assert [line.split()[0] for line in text.splitlines() if line.startswith("#")] == [f"#{third}", f"#{second}"]
    assert "Only the newest 2 are shown" in text


# cancel_jobs and retry_jobs


def test_jobs_that_match_are_cancelled_with_the_reason() -> None:
    mail, other = enqueue(queue="mail"), enqueue(queue="other")

    assert said("cancel_jobs", "--queue", "mail", "--reason", "vendor outage", "--no-input") == "Cancelled 1 job.\n"

    assert (state_of(mail), state_of(other)) == ("cancelled", "ready")
    assert FinishedJob.objects.get(pk=mail).reason == "vendor outage"


def test_jobs_that_failed_are_retried_once() -> None:
    id = failed()

    assert said("retry_jobs", "--error", "ValueError", "--no-input") == "Retried 1 job.\n"
    assert said("retry_jobs", str(id), "--no-input") == "Retried 0 jobs. Skipped 1 that were retried before.\n"

    assert Job.objects.get().retry_of == id


def test_what_did_not_fail_is_retried_only_where_that_is_said() -> None:
    enqueue()
    ack(claim()[0], Succeeded())

    assert said("retry_jobs", "--everything", "--no-input") == "No jobs match.\n"
    assert said("retry_jobs", "--state", "succeeded", "--no-input") == "Retried 1 job.\n"


@pytest.mark.parametrize("command", ["cancel_jobs", "retry_jobs"])
def test_a_dry_run_counts_and_changes_nothing(command: str) -> None:
    failed()
    id = enqueue()

    assert said(command, "--everything", "--dry-run") == f"Would {command.partition('_')[0]} 1 job.\n"

    assert (state_of(id), Job.objects.count(), FinishedJob.objects.count()) == ("ready", 1, 1)


@pytest.mark.parametrize("command", ["cancel_jobs", "retry_jobs"])
def test_all_are_meant_only_where_that_is_said(command: str) -> None:
    id = enqueue()

    with pytest.raises(CommandError, match="Nothing says which jobs are meant"):
        said(command, "--no-input")
    with pytest.raises(CommandError, match="--everything goes with no filter"):
        said(command, "--everything", "--queue", "mail", "--no-input")

    assert state_of(id) == "ready"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--state", "redy"], 'Did you mean "ready"?'),
        (["--enqueued-after", "yesterday"], '--enqueued-after is "yesterday", but must be a date'),
        (["--enqueued-before", "2026-03-28T12:00:00"], "a time with its offset"),
        (["--reason", "a\x00b", "--everything"], "--reason is"),
        (["seven"], '"seven" is not the id of a job.'),
        (["99999999999999999999"], "is not the id of a job."),
    ],
    ids=str,
)
def test_what_could_not_work_is_refused_and_nothing_is_done(given: list[str], message: str) -> None:
    id = enqueue()

    with pytest.raises(CommandError) as refused:
        said("cancel_jobs", "--no-input", *given)

    assert message in str(refused.value)
    assert state_of(id) == "ready"


@pytest.fixture
def at_a_terminal(tmp_path: Any) -> Callable[[str], tuple[int, str]]:
    """Run the command in a terminal, answer its question, and give the exit code and all that it wrote."""

    def run(answer: str) -> tuple[int, str]:
        ours, its = os.openpty()
        command = [sys.executable, "-m", "tests.manage", "cancel_jobs", "--everything"]
        process = subprocess.Popen(command, cwd=ROOT, stdin=its, stdout=its, stderr=its, start_new_session=True)
        os.close(its)
        text = ""
        try:
            while select.select([ours], [], [], 60)[0]:
                try:
                    text += os.read(ours, 4096).decode()
                except OSError:  # it has ended
                    break
                if text.endswith("[y/N] "):
                    os.write(ours, f"{answer}\n".encode())
            return process.wait(timeout=60), text
        finally:
            process.kill()
            os.close(ours)

    return run


@pytest.mark.once
@pytest.mark.parametrize(("answer", "code", "state"), [("y", 0, "cancelled"), ("", 1, "ready"), ("no", 1, "ready")])
def test_on_a_terminal_it_asks_and_heeds_the_answer(
    at_a_terminal: Callable[[str], tuple[int, str]], answer: str, code: int, state: str
) -> None:
    id = enqueue()

    exit_code, text = at_a_terminal(answer)

    assert "Cancel 1 job? [y/N] " in text
    assert ("Cancelled 1 job." if code == 0 else "Nothing was changed.") in text
    assert (exit_code, state_of(id)) == (code, state)
