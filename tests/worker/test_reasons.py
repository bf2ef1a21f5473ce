"""A job that waits says why in one sentence, and a task that is not known says where it is missing."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest

from schedules.declarations.configured import ManagementCommand
from tests.app.tasks import leave_trace
from worker import signals, tasks
from worker.models import Job, JobState
from worker.reasons import why_it_waits
from worker.registry import isolated
from worker.serving import what_is_served
from worker.unknown import why_unknown

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = leave_trace.task.name


@pytest.mark.parametrize(
    ("state", "columns", "served", "said"),
    [
        (JobState.RUNNING, {}, set(), ""),
        (JobState.HELD, {}, None, "Its schedule is paused."),
        (JobState.WAITING, {}, None, "The run before it, of the same schedule, is not finished."),
        (JobState.SCHEDULED, {"run_at": NOW + timedelta(hours=1)}, set(), "Its time has not come."),
        (
            JobState.SCHEDULED,
            {"run_at": NOW + timedelta(hours=1), "attempts": 1},
            set(),
            "Its next attempt is not due yet.",
        ),
        (JobState.SCHEDULED, {}, set(), "No worker is alive."),
        (JobState.READY, {}, {"b", "a,b"}, 'No worker drains its queue. Those alive drain only "a,b", "b".'),
        (
            JobState.READY,
            {"task": "gone"},
            None,
            (
                "This process does not know its task. No module that this process has imported declares a task "
                "of that name."
            ),
        ),
        (JobState.READY, {}, {"default"}, "It waits for a free slot."),
        (JobState.SCHEDULED, {}, {"default"}, "It waits for a free slot."),
        (
            JobState.SCHEDULED,
            {"run_at": NOW - timedelta(minutes=2)},
            None,
            "Its time has come, and no process has made it ready. list_schedule --check may say why.",
        ),
        (JobState.READY, {}, None, "It waits for a free slot."),
    ],
)
def test_a_job_says_why_it_waits(
    state: JobState, columns: dict[str, object], served: set[str] | None, said: str
) -> None:
    job = Job(**{"state": state, "task": KNOWN, "queue": "default", "run_at": NOW} | columns)

    assert why_it_waits(job, NOW, served) == said


def test_an_unknown_task_says_whether_its_app_its_import_or_its_declaration_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "shop.tasks", ModuleType("shop.tasks"))

    assert why_unknown("shop.tasks.gone") == "Its module shop.tasks declares no such task."
    assert why_unknown("shop.mail.send") == "No app in INSTALLED_APPS contains shop.mail."
    assert why_unknown("tests.app.raises.report") == (
        "Nothing imports tests.app.raises: put the task into tasks.py, or import it in ready()."
    )
    assert why_unknown("report") == "No module that this process has imported declares a task of that name."


def test_looking_for_an_unknown_task_imports_nothing() -> None:
    before = set(sys.modules)

    why_unknown("tests.app.raises.report")
    why_unknown("this.poem")

    assert set(sys.modules) == before


def test_many_queues_are_not_all_named() -> None:
    assert what_is_served({*"abcdefg"}) == 'Those alive drain only "a", "b", "c", "d", "e", ….'


@pytest.mark.parametrize(
    ("queues", "declared", "said"),
    [
        ((), {"shop.tasks": 5, "mail": 1}, "host:1 started: 4 slots, all queues; tasks: mail (1), shop.tasks (5)"),
        (("a",), dict.fromkeys("abcdefghij", 1), "host:1 started: 4 slots, queues a; tasks: a (1), b (1), c (1), "),
    ],
)
def test_a_worker_that_starts_says_which_queues_it_drains_and_where_its_tasks_are_from(
    caplog: pytest.LogCaptureFixture, queues: tuple[str, ...], declared: dict[str, int], said: str
) -> None:
    (line,) = _told_at_the_start(caplog, queues, declared)

    assert line.startswith(said)
    assert line.endswith("2 more modules") == (len(declared) > 8)


def test_a_worker_that_starts_without_a_task_says_that_no_job_can_run(caplog: pytest.LogCaptureFixture) -> None:
    _, warning = _told_at_the_start(caplog, (), {})

    assert warning == "no job can run here: no app in INSTALLED_APPS declares a task in its tasks.py"


def test_tasks_are_counted_by_the_module_that_declares_them_and_commands_by_their_names() -> None:
    with isolated(empty=True):
        for name in ("one", "two"):
            tasks.register(tasks.Task(leave_trace.task.function, name))
        tasks.register(tasks.Task(ManagementCommand("check"), "manage:check"))

        assert tasks.by_module() == {"tests.app.tasks": 2, "manage:check": 1}


def _told_at_the_start(
    caplog: pytest.LogCaptureFixture, queues: tuple[str, ...], declared: dict[str, int]
) -> list[str]:
    with caplog.at_level(logging.INFO, "worker"):
        signals.worker_started.send(None, name="host:1", slots=4, queues=queues, tasks=declared)
    return [record.getMessage() for record in caplog.records]
