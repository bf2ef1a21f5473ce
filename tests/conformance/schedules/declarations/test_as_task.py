"""A function with @background as a Task of Django's framework: the same job as by a call, with a result."""

from __future__ import annotations

import logging
import pickle
import sys
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from schedules import NEVER
from schedules.spec import InvalidSchedule
from schedules.testing import isolated_registry, run_jobs
from tests.app.models import Effect
from tests.conformance.schedules.declarations import framework_tasks as tasks
from tests.processes import StartProcess
from worker import framework
from worker.calls import InvalidCall
from worker.framework import TaskResultStatus as Status
from worker.framework import task_backends
from worker.models import FinishedJob, Job
from worker.own_options import task_of

OURS = "worker.backends.DatabaseBackend"
IMMEDIATE = f"{framework.BaseTaskBackend.__module__.rpartition('.')[0]}.immediate.ImmediateBackend"

pytestmark = pytest.mark.django_db(transaction=True)


def run(declared: Any, *args: Any, **kwargs: Any) -> Any:
    result = declared.enqueue(*args, **kwargs)
    run_jobs()
    result.refresh()
    return result


def test_a_task_runs_and_its_result_is_kept_though_the_function_does_not_ask_for_that() -> None:
    result = run(tasks.give_back.as_task(), 7)

    assert (result.status, result.return_value, result.args) == (Status.SUCCESSFUL, 7, [7])
    assert task_backends["default"].get_result(result.id) == tasks.give_back.as_task().get_result(result.id) == result
    assert FinishedJob.objects.get().result == 7


def test_a_task_is_the_job_that_a_call_makes() -> None:
    called, result = tasks.send_receipt(7), tasks.send_receipt.as_task().enqueue(7)

    job, by_task = Job.objects.get(pk=called.pk), Job.objects.get(pk=result.id)
    columns = ("task", "arguments", "queue", "priority", "max_attempts", "state", "verbose_name", "creator", "lane")
    assert [getattr(by_task, name) for name in columns] == [getattr(job, name) for name in columns]
    assert (job.task, job.priority, job.max_attempts, job.verbose_name) == ("receipts", 7, 4, "A receipt")
    assert by_task.run_at - by_task.enqueued_at == job.run_at - job.enqueued_at == timedelta(seconds=60)


def test_a_task_has_all_options_of_its_declaration_and_a_result_tells_them() -> None:
    declared: Any = tasks.send_receipt.as_task()

    assert (declared.queue_name, declared.priority, declared.run_after) == ("mail", 7, timedelta(seconds=60))
    assert (declared.max_attempts, declared.backoff, declared.takes_context) == (4, (1, 2), False)
    assert (declared.retry_on, declared.give_up_on) == (
        ("builtins.ConnectionError",),
        ("builtins.BrokenPipeError",),
    )
    assert (declared.atomic, declared.fresh_connection, declared.may_fail) == (True, True, True)
    assert (declared.verbose_name, declared.creator) == ("A receipt", "the shop")
    assert declared.get_result(declared.enqueue(7).id).task == declared


def test_a_row_keeps_only_what_a_task_says_beyond_its_declaration() -> None:
    declared: Any = tasks.send_receipt.as_task()
    changed = declared.using(max_attempts=9, atomic=False, priority=-3, run_after=datetime(2999, 1, 1, tzinfo=UTC))

    plain, told = (Job.objects.get(pk=each.enqueue(7).id) for each in (declared, changed))

    assert "atomic" not in str(plain.task_options)
    assert "backoff" not in str(told.task_options)
    assert (told.max_attempts, told.priority, told.run_at.year) == (9, -3, 2999)
    as_run = [task_of(each) for each in (plain, told)]  # type: ignore[arg-type]  # it reads two columns
    assert [each.atomic for each in as_run] == [True, False]
    assert declared.get_result(str(told.pk)).task == changed != declared


@pytest.mark.parametrize(("error", "attempts"), [("connection", 3), ("value", 1)])
def test_a_task_is_tried_again_as_its_declaration_says(error: str, attempts: int) -> None:
    result = run(tasks.fail_with.as_task(), error)

    assert (result.status, len(result.errors)) == (Status.FAILED, attempts)


def test_a_task_is_tried_again_as_often_as_calls_are_whatever_the_backend_says_of_others() -> None:
    options = {"max_attempts": 2, "backoff": 0}
    with override_settings(TASKS={"default": {"BACKEND": OURS, "OPTIONS": options}}, SCHEDULER={"MAX_ATTEMPTS": 5}):
        result = tasks.give_back.as_task().enqueue(7)

    assert Job.objects.get(pk=result.id).max_attempts == 5


def test_a_function_as_backoff_is_asked() -> None:
    declared: Any = tasks.fail_until_it_is_given_up.as_task()

    result = run(declared)

    assert (result.status, len(result.errors), declared.backoff) == (Status.FAILED, 3, tasks.asked)
    assert result.task == declared


def test_what_an_atomic_task_did_is_undone_where_its_result_cannot_be_kept() -> None:
    declared: Any = tasks.write_and_return_a_date.as_task()

    assert run(declared, "kept", 7).return_value == date(2026, 1, 7)
    assert [error.exception_class for error in run(declared.using(max_attempts=1), "undone", 0).errors] == [TypeError]
    assert [effect.key for effect in Effect.objects.all()] == ["kept"]


def test_a_task_knows_its_job_by_the_name_of_its_declaration() -> None:
    assert run(tasks.tell.as_task()).return_value == ["who am I", 1]


def test_a_task_that_cancels_itself_has_failed_by_that() -> None:
    (error,) = run(tasks.cancel.as_task()).errors

    assert (error.exception_class_path, "no need" in error.traceback) == ("worker.Cancel", True)


def test_arguments_that_do_not_fit_are_refused_as_those_of_a_call_and_nothing_is_stored() -> None:
    with pytest.raises(TypeError, match=r"give_back\(…\): too many positional arguments"):
        tasks.give_back.as_task().enqueue(1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        tasks.give_back.as_task().enqueue(object())

    assert not Job.objects.exists()


def test_a_task_takes_the_place_of_equal_ones_if_its_declaration_says_so() -> None:
    declared = tasks.replace.as_task()
    first, other = declared.enqueue(7), declared.enqueue(8)

    last = declared.enqueue(order=7, again=False)

    assert sorted(str(job.pk) for job in Job.objects.all()) == sorted([other.id, last.id])
    first.refresh()
    assert first.errors[0].exception_class_path == "worker.Cancel"
    assert declared.get_result(last.id).task == declared


def test_options_of_a_call_are_those_of_its_task() -> None:
    declared: Any = tasks.send_receipt.using(schedule=NEVER, queue="default", priority=1).as_task()

    assert (declared.run_after, declared.queue_name, declared.priority) == (None, "default", 1)


def test_a_task_in_async_code() -> None:
    async def enqueue_and_read() -> Any:
        declared = tasks.give_back.as_task()
        return await declared.aget_result((await declared.aenqueue(7)).id)

    assert async_to_sync(enqueue_and_read)().args == [7]


def test_a_function_that_repeats_is_no_task_until_it_is_told_not_to() -> None:
    with pytest.raises(InvalidSchedule, match=r"one job, but this task repeats\. Write using\(repeat=NEVER\)"):
        tasks.repeat.as_task()
    with pytest.raises(InvalidSchedule, match=r"using\(cron=None\)"):
        tasks.give_back.using(cron="0 4 * * *").as_task()

    assert run(tasks.repeat.using(repeat=NEVER).as_task()).status == Status.SUCCESSFUL


def test_an_option_that_no_job_has_is_refused() -> None:
    with pytest.raises(InvalidCall, match="overlap is for schedules"):
        tasks.of_schedules.as_task()
    with pytest.raises(InvalidCall, match=r"give_back: as_task\(\): schedule is -1, but must be seconds"):
        tasks.give_back.using(schedule=-1).as_task()


def test_a_queue_that_the_backend_does_not_have_is_refused() -> None:
    with (
        override_settings(TASKS={"default": {"BACKEND": OURS, "QUEUES": ["default"]}}),
        pytest.raises(framework.InvalidTask, match="mail"),
    ):
        tasks.send_receipt.as_task()


def test_a_task_is_of_the_backend_that_is_ours() -> None:
    both = {"default": {"BACKEND": IMMEDIATE}, "carillon": {"BACKEND": OURS}}
    with override_settings(TASKS=both):
        assert tasks.give_back.as_task().backend == "carillon"
        assert tasks.give_back.as_task(backend="default").enqueue(7).return_value == 7
    with override_settings(TASKS={"default": {"BACKEND": IMMEDIATE}}):
        assert tasks.give_back.as_task().enqueue(7).return_value == 7
    with override_settings(TASKS={"another": {"BACKEND": OURS}, "default": {"BACKEND": OURS}}):
        assert tasks.give_back.as_task().backend == "default"

    assert not Job.objects.exists()


def test_a_project_without_a_backend_is_told_what_to_write() -> None:
    with (
        override_settings(TASKS=getattr(global_settings, "TASKS", None)),
        pytest.raises(ImproperlyConfigured, match=r'as_task\(\) needs settings\.TASKS.+"worker\.backends\.Database'),
    ):
        tasks.give_back.as_task()


def test_a_project_without_the_framework_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "worker.framework", None)

    with pytest.raises(ImproperlyConfigured, match="pip install django-tasks"):
        tasks.give_back.as_task()


def test_a_copy_of_a_task_is_equal() -> None:
    declared = tasks.send_receipt.as_task().using(priority=9)

    assert deepcopy(declared) == declared


def test_a_copy_arrives_where_nobody_has_imported_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = pickle.dumps(tasks.send_receipt.as_task().using(priority=9))
    package, _, name = tasks.__name__.rpartition(".")
    monkeypatch.setattr(sys.modules[package], name, tasks)  # it is put back, as the module itself is
    monkeypatch.delitem(sys.modules, tasks.__name__)

    with isolated_registry(empty=True):
        arrived = pickle.loads(sent)

    assert (arrived.known_as, arrived.priority, arrived.queue_name) == ("receipts", 9, "mail")


def test_a_result_can_be_read_though_its_function_is_gone() -> None:
    result = tasks.send_receipt.as_task().enqueue(7)

    with isolated_registry(empty=True):
        read = task_backends["default"].get_result(result.id)

    assert (read.status, read.args, read.task.queue_name) == (Status.READY, [7], "mail")


def test_a_worker_runs_it_though_it_has_not_imported_its_module(process: StartProcess) -> None:
    good, bad = tasks.give_back.as_task().enqueue(7), tasks.fail_with.as_task().enqueue("value")

    worker = process("process_tasks", "--until-idle")
    assert worker.wait(within=60) == 0, worker.output

    good.refresh()
    bad.refresh()
    assert (good.return_value, bad.errors[0].exception_class) == (7, ValueError)


def test_the_log_of_the_framework_has_what_it_raised(caplog: pytest.LogCaptureFixture) -> None:
    logger = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
    caplog.set_level(logging.DEBUG, logger)

    run(tasks.fail_with.as_task(), "value")

    told = [record for record in caplog.records if record.name == logger]
    assert [record.levelname for record in told] == ["DEBUG", "INFO", "ERROR"]
    assert told[-1].exc_info
    assert told[-1].exc_info[0] is ValueError
