"""Rows that somebody wrote by hand call nothing that code does not declare, and stop nothing.

And what a caller gives travels beside the SQL, never in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from schedules.models import Schedule
from schedules.overview import overview
from schedules.scheduler import tick
from tests.app.models import Effect
from tests.app.tasks import leave_trace
from tests.conformance.worker.process.workers import Crew, heard
from tests.conformance.worker.queue.jobs import ALIAS, ack, claim, error, new, state_of
from tests.schedules.admin import admin_rows
from worker import queue, signals
from worker.chores import Chores
from worker.clock import database_now
from worker.models import FinishedJob, Job, JobState
from worker.outcomes import Failed, Retry
from worker.values import NewJob

UNDECLARED = ["os.system", "subprocess.call", "builtins.eval", "manage:flush", "tests.app.tasks.fail.now", ""]
BAD_TAGS = [
    '[[{"$date":"tomorrow"}],{}]',
    '[[],{"trace":{"$os.system":"true"}}]',
    '[[{"$datetime":"2026-07-02T03:00:00+02:00[../../etc/passwd]"}],{}]',
]
UNREADABLE = ["", "null", "7", '"ab"', "[1,2]", "[[]]", "[{},[]]", "[[],{},[]]", '{"a":1,"b":2}', "[" * 100_000]


def test_a_job_whose_task_no_code_declares_is_left_and_shown(crew: Crew, tmp_path: Path) -> None:
    intruder = tmp_path / "intruder"
    jobs = [_job(task, json.dumps([[f"touch {intruder}"], {}])) for task in UNDECLARED]

    with heard(signals.task_unknown) as unknown:
        good = leave_trace("good")
        crew.work_until_idle()

    assert not intruder.exists()
    assert {each["task"] for each in unknown} == set(UNDECLARED)
    assert {state_of(job.pk) for job in jobs} == {"ready"}
    assert state_of(good.pk) == "succeeded"
    assert _problems("unknown-task") == [f"1 job names the task {task}, which" for task in sorted(UNDECLARED)]


def test_a_schedule_whose_task_no_code_declares_calls_nothing_and_is_shown(crew: Crew, tmp_path: Path) -> None:
    intruder = tmp_path / "intruder"
    _due_schedule(task="os.system", arguments=json.dumps([[f"touch {intruder}"], {}]))

    tick(ALIAS, database_now(ALIAS), Chores())
    crew.work_until_idle()

    assert not intruder.exists()
    assert Job.objects.get().state == JobState.READY
    assert _problems("unknown-task")[0] == '"by hand" names the task os.system, which'


def test_a_job_whose_arguments_cannot_be_read_fails_at_once_and_stops_nothing(crew: Crew) -> None:
    _due_schedule(task=leave_trace.task.name, arguments="[[],")
    tick(ALIAS, database_now(ALIAS), Chores())
    for arguments in UNREADABLE + BAD_TAGS:
        _job(leave_trace.task.name, arguments)
    good = leave_trace("good")

    crew.work_until_idle()

    assert [effect.key for effect in Effect.objects.all()] == ["good"]
    assert state_of(good.pk) == "succeeded"
    failed = FinishedJob.objects.filter(state="failed", attempts=1, reason__startswith="InvalidArguments: The stored")
    assert failed.count() == len(UNREADABLE + BAD_TAGS) + 1
    assert not Job.objects.exists()


@pytest.mark.usefixtures("database")
def test_no_value_stands_in_the_sql() -> None:
    mark = "hostile'\";--%s{}"
    with _statements() as statements:
        queue.enqueue(_new(0, mark), ALIAS)
        queue.enqueue_many([_new(n, mark) for n in range(3)], ALIAS)
        for job in claim(queues=[mark], without_tasks=["other", f"not {mark}"]):
            outcome = Retry(error(mark), 0.0) if job.id % 2 else Failed(error(mark))
            assert ack(job, outcome)
        queue.cancel(list(Job.objects.values_list("pk", flat=True)), mark, ALIAS)
        queue.retry(list(FinishedJob.objects.values_list("pk", flat=True)), ALIAS)
        queue.cancel_equal(mark, json.dumps([[mark], {}], separators=(",", ":")), mark, ALIAS)
        _due_schedule(name=mark)
        Schedule.objects.update(task=mark, queue=mark, creator=mark)
        tick(ALIAS, database_now(ALIAS), Chores())

    assert FinishedJob.objects.filter(reason__contains=mark).count() >= 4
    assert len(statements) > 10
    assert not [sql for sql in statements if "hostile" in sql]


# Rows


def _job(task: str, arguments: str) -> Job:
    now = database_now(ALIAS)
    values = {"queue": "default", "max_attempts": 5, "enqueued_at": now, "run_at": now, "state": JobState.READY}
    return Job.objects.create(task=task, arguments=arguments, **values)


def _due_schedule(name: str = "by hand", **columns: Any) -> None:
    now = database_now(ALIAS)
    past = {"settled_until": now - timedelta(minutes=2), "next_run_at": now - timedelta(seconds=1)}
    admin_rows.schedule(name, repeat=60, columns={**past, **columns})


def _new(number: int, mark: str) -> NewJob:
    return new(mark, task=mark, queue=mark, verbose_name=f"{mark} {number}", creator=mark)


def _problems(code: str) -> list[str]:
    """The beginnings of what `list_schedule` says of them."""
    found = overview(ALIAS, database_now(ALIAS), runs=1).problems
    return [f"{problem.message.partition(', which')[0]}, which" for problem in found if problem.code == code]


@contextmanager
def _statements() -> Iterator[list[str]]:
    said: list[str] = []

    def listen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        said.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        yield said
