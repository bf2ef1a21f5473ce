"""A management command as a task ends as it would by hand: its exit code says whether it has succeeded."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS as ALIAS

from schedules.declarations.configured import task_of
from worker import arguments, queue
from worker.models import FinishedJob, FinishedState
from worker.process.worker import Worker
from worker.values import NewJob

pytestmark = pytest.mark.usefixtures("database", "own_declarations")


def test_a_command_is_tried_once() -> None:
    assert task_of("manage:end_by", "here").attempts_allowed == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"exit": 0}, None),
        ({"exit": None}, None),
        ({"exit": 3}, "CommandError: exit code 3"),
        ({"exit": "no disk"}, "CommandError: no disk"),
        ({"error": "no such file"}, "CommandError: no such file"),
    ],
)
def test_the_exit_code_of_a_command_says_how_its_job_ended(options: dict[str, Any], reason: str | None) -> None:
    task = task_of("manage:end_by", "here")
    queue.enqueue(NewJob(task.name, arguments.encode([], options), "default", 0, max_attempts=1), ALIAS)

    Worker(ALIAS, threads=1, leader_sign=lambda _: None, until_idle=True).run()

    job = FinishedJob.objects.get()
    assert (job.state, job.reason) == ((FinishedState.FAILED, reason) if reason else (FinishedState.SUCCEEDED, ""))
    assert job.attempts == 1
