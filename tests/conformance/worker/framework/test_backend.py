"""Tasks of Django's framework through our backend: what is kept of them, and what comes back, on every database."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import django
import pytest
from django.db import transaction
from django.test import override_settings

from schedules import background
from schedules.testing import isolated_registry, run_jobs
from tests.app.models import Effect
from tests.conformance.worker.framework import tasks
from tests.conformance.worker.queue.jobs import ALIAS, claimed_by_the_dead
from worker import framework, queue
from worker.arguments import InvalidArguments
from worker.backends import DatabaseBackend, task
from worker.framework import TaskResultStatus as Status
from worker.framework import task_backends
from worker.keeping import Keep
from worker.models import FinishedJob, Job
from worker.results import LONGEST
from worker.tasks import KEEP

PATH = "worker.backends.DatabaseBackend"
DAY = timedelta(days=1)
LOGGER = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"

pytestmark = pytest.mark.django_db(transaction=True)


def run(declared: Any, *args: Any, **kwargs: Any) -> Any:
    """The result once everything that is due has run."""
    result = declared.enqueue(*args, **kwargs)
    run_jobs()
    result.refresh()
    return result


# Enqueued


def test_a_task_is_a_job_like_others() -> None:
    result = tasks.give_back.enqueue(7)

    (job,) = Job.objects.all()
    assert (str(job.pk), job.queue, job.args, job.kwargs) == (result.id, "default", [7], {})
    assert (result.status, result.enqueued_at, result.attempts) == (Status.READY, job.enqueued_at, 0)
    assert tasks.give_back.get_result(result.id) == result


def test_a_task_keeps_all_of_its_options() -> None:
    soon = datetime(2999, 1, 1, 12, tzinfo=UTC)
    declared = tasks.with_options.using(run_after=soon, max_attempts=9, priority=-3)

    result = declared.enqueue()

    (job,) = Job.objects.all()
    assert (job.queue, job.priority, job.max_attempts, job.run_at) == ("mail", -3, 9, soon)
    assert declared.get_result(result.id).task == declared
    assert declared.backoff == (1, 2)


def test_a_task_may_wait_so_long_after_it_is_enqueued() -> None:
    declared = tasks.give_back.using(run_after=timedelta(hours=1))

    result = declared.enqueue(7)

    (job,) = Job.objects.all()
    assert job.run_at - job.enqueued_at == timedelta(hours=1)
    assert declared.get_result(result.id).task.run_after == timedelta(hours=1)


def test_a_retry_does_not_change_what_the_task_said_of_its_start() -> None:
    declared = tasks.fail.using(run_after=timedelta(0), max_attempts=9, backoff=[3600])

    result = run(declared)

    assert (result.status, len(result.errors), result.task) == (Status.READY, 1, declared)


def test_a_task_is_gone_with_the_transaction_in_which_it_was_enqueued() -> None:
    with transaction.atomic():
        result = tasks.give_back.enqueue(7)
        assert tasks.give_back.get_result(result.id).id == result.id
        transaction.set_rollback(True)

    with pytest.raises(framework.TaskResultDoesNotExist):
        tasks.give_back.get_result(result.id)


IN_ITSELF: list[Any] = []
IN_ITSELF.append(IN_ITSELF)


@pytest.mark.parametrize(
    "value", [{1: "a"}, nan, inf, [{"a": -inf}], object(), datetime(2026, 1, 1), 2**9000, b"\xff", IN_ITSELF], ids=repr
)
def test_what_would_come_back_as_something_else_is_refused_and_nothing_is_stored(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        tasks.give_back.enqueue(value)

    assert not Job.objects.exists()


VALUES = ["a\x00b", "\ud800", 2**70, [1, [2.5, None, True]], {"a": {"$date": "no"}}, "🔔", ""]


@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_a_return_value_comes_back_as_it_was(value: Any) -> None:
    result = run(tasks.give_back, value)

    assert (result.status, result.return_value, result.args) == (Status.SUCCESSFUL, value, [value])
    assert FinishedJob.objects.get().result == value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, 2), [1, 2]),
        ([({},)], [[{}]]),
        (range(3), [0, 1, 2]),
        (deque("ab"), ["a", "b"]),
        (b"text", "text"),
    ],
    ids=repr,
)
def test_a_return_value_comes_back_as_the_framework_has_it(value: Any, plain: Any) -> None:
    assert run(tasks.give_back, value).return_value == plain
    assert run(tasks.give_back_asynchronously, value).return_value == plain


# Tried again


@pytest.mark.parametrize(("error", "attempts"), [("reset", 3), ("pipe", 1), ("value", 1)])
def test_a_task_says_which_errors_are_tried_again(error: str, attempts: int) -> None:
    result = run(tasks.fail_with, error)

    assert (result.status, len(result.errors)) == (Status.FAILED, attempts)
    assert result.task == tasks.fail_with


def test_a_call_says_which_errors_are_tried_again() -> None:
    declared = tasks.fail_with.using(retry_on=[ValueError])

    result = run(declared, "value")

    assert (len(result.errors), result.task.retry_on) == (3, ("builtins.ValueError",))
    assert result.task == declared


def test_a_function_is_given_the_result_so_far_and_says_whether_there_is_another_attempt() -> None:
    result = run(tasks.fail_twice)

    assert (result.status, len(result.errors)) == (Status.FAILED, 2)
    assert result.task == tasks.fail_twice


def test_a_call_may_say_delays_where_its_task_has_a_function() -> None:
    assert len(run(tasks.fail_twice.using(backoff=[0], max_attempts=4)).errors) == 4


def test_a_function_that_no_row_could_keep_is_refused() -> None:
    with pytest.raises(TypeError, match="a function is given where its Task is declared"):
        tasks.fail.using(backoff=tasks.give_up_when_there_was_one_before)

    options = {"backoff": tasks.give_up_when_there_was_one_before}
    with override_settings(TASKS={"default": {"BACKEND": PATH, "OPTIONS": options}}):
        (fault,) = task_backends["default"].check()
    assert "is no backoff here: a function is given where its task is declared, in code" in fault.msg


# Ended


def test_a_result_tells_each_attempt() -> None:
    result = run(tasks.fail_at_first, "trace")

    (error,) = result.errors
    assert (result.status, result.return_value, result.attempts) == (Status.SUCCESSFUL, "there", 2)
    assert error.exception_class is ConnectionError
    assert "in fail_at_first" in error.traceback
    assert result.worker_ids == ["run_jobs", "run_jobs"]
    assert result.enqueued_at <= result.started_at < result.last_attempted_at <= result.finished_at


def test_a_task_that_has_failed_has_an_error_for_each_attempt() -> None:
    result = run(tasks.fail)

    assert (result.status, result.attempts) == (Status.FAILED, 2)
    assert [error.exception_class for error in result.errors] == [LookupError, LookupError]
    assert result.started_at < result.last_attempted_at
    with pytest.raises(ValueError, match="Task failed"):
        result.return_value  # noqa: B018


def test_an_error_whose_class_nobody_can_import_is_told_by_the_class_above_it() -> None:
    (error,) = run(tasks.raise_what_nobody_can_import).errors

    assert error.exception_class is LookupError
    assert "here only" in error.traceback


@pytest.mark.parametrize(
    ("declared", "path", "told"),
    [(tasks.cancel, "worker.Cancel", "no need"), (tasks.fail_for_good, "worker.Fail", "never")],
)
def test_how_a_task_says_that_it_ends_is_an_error_to_the_framework(declared: Any, path: str, told: str) -> None:
    result = run(declared)

    (error,) = result.errors
    assert (result.status, result.attempts, error.exception_class_path) == (Status.FAILED, 1, path)
    assert issubclass(error.exception_class, Exception)
    assert told in error.traceback


def test_a_job_that_an_operator_cancels_has_failed_without_an_attempt() -> None:
    result = tasks.give_back.enqueue(7)

    queue.cancel([int(result.id)], "not wanted", ALIAS)

    result.refresh()
    (error,) = result.errors
    assert (result.status, result.attempts, result.started_at) == (Status.FAILED, 0, None)
    assert (error.exception_class_path, error.traceback) == ("worker.Cancel", "not wanted")


def test_a_job_that_was_given_up_says_so() -> None:
    result = tasks.give_back.enqueue(7)
    Job.objects.update(interruptions=queue.MOST_INTERRUPTIONS - 1)
    claimed_by_the_dead()

    queue.rescue(ALIAS, 10)

    result.refresh()
    assert result.status == Status.FAILED
    assert result.errors[-1].exception_class_path == "worker.api.WorkersDied"


@pytest.mark.parametrize("what", tasks.UNKEPT)
def test_what_cannot_be_kept_fails_its_own_task_and_no_other(what: str) -> None:
    calls = [(tasks.give_back, 1), (tasks.give_back_what_cannot_be_kept, what), (tasks.give_back, 3)]
    results = [declared.enqueue(value) for declared, value in calls]

    run_jobs()

    first, broken, last = [each.task.get_result(each.id) for each in results]
    (error,) = broken.errors
    assert (first.return_value, last.return_value, broken.status) == (1, 3, Status.FAILED)
    assert error.exception_class is TypeError


def test_a_result_may_be_as_long_as_is_said() -> None:
    longest = "x" * (LONGEST - 2)

    assert run(tasks.give_back, longest).return_value == longest


def test_an_atomic_task_has_its_result_and_one_whose_result_cannot_be_kept_has_done_nothing() -> None:
    assert run(tasks.write_atomically, "kept").return_value == "kept"
    assert run(tasks.write_atomically_and_return_what_is_no_json, "undone").status == Status.FAILED

    assert [effect.key for effect in Effect.objects.all()] == ["kept"]


# Asked for


@pytest.mark.parametrize(
    "id",
    ["0", "07", "1_000", " 7 ", "٧", "-7", "7.0", "9" * 19, "9" * 30, "é\x00", "", "none", None, 7, b"7", "7" * 100],
    ids=ascii,
)
def test_what_is_no_id_has_no_result(id: Any) -> None:
    tasks.give_back.enqueue(7)
    Job.objects.update(id=7)

    with pytest.raises(framework.TaskResultDoesNotExist):
        task_backends["default"].get_result(id)


def test_a_job_that_was_not_enqueued_as_a_task_has_no_result() -> None:
    with isolated_registry():
        job = background(_nothing)()

        with pytest.raises(framework.TaskResultDoesNotExist):
            task_backends["default"].get_result(str(job.pk))


def test_a_task_is_found_in_a_module_that_was_not_imported_and_its_result_too() -> None:
    with isolated_registry(empty=True):
        result = run(tasks.give_back, 7)
        assert result.return_value == 7

    with isolated_registry(empty=True):
        assert task_backends["default"].get_result(result.id).task == tasks.give_back


@pytest.mark.parametrize("name", ["gone.tasks.work", "tests.conformance.worker.framework.tasks.gone", "json.dumps"])
def test_a_result_can_be_read_though_its_task_is_gone_and_what_is_no_task_is_not_run(name: str) -> None:
    result = tasks.give_back.enqueue(7)
    Job.objects.update(task=name)

    assert run_jobs() == []

    read = task_backends["default"].get_result(result.id)
    assert (read.status, read.args, read.task.module_path) == (Status.READY, [7], name)


def test_a_task_knows_its_attempt() -> None:
    result = run(tasks.tell)

    assert result.return_value == [1, result.id, "RUNNING", 1, [], True]


def test_the_backend_says_what_in_its_settings_could_not_work() -> None:
    wrong = {"QUEUES": ["mail", 7], "OPTIONS": {"max_attempts": 0, "backof": 7}}

    backend = DatabaseBackend(alias="default", params=wrong)

    assert [message.id for message in backend.check()] == ["worker.E006"] * 3
    assert "backoff" in str(backend.check()[1])


def test_options_of_the_backend_are_those_of_tasks_that_say_nothing() -> None:
    with override_settings(TASKS={"default": {"BACKEND": PATH, "OPTIONS": {"max_attempts": 2, "backoff": 0}}}):
        assert run(tasks.raise_what_nobody_can_import).attempts == 2
        with pytest.raises(framework.InvalidTask):
            tasks.with_options.enqueue()


@pytest.mark.parametrize(
    "options", [{"max_attempts": 0}, {"backoff": -1}, {"queue_name": "x" * 101}, {"priority": 101}]
)
def test_a_task_with_an_option_that_could_not_work_is_refused_where_it_is_declared(options: dict[str, Any]) -> None:
    with isolated_registry(), pytest.raises(framework.InvalidTask):
        task(**options)(_nothing)


def test_arguments_that_somebody_else_has_broken_are_told_as_such() -> None:
    result = tasks.give_back.enqueue(7)
    Job.objects.update(arguments="[")

    with pytest.raises(InvalidArguments):
        tasks.give_back.get_result(result.id)


# Told


def test_the_log_of_the_framework_has_three_lines_of_a_task(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)

    result = run(tasks.give_back, 7)

    told = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == LOGGER]
    assert [level for level, _ in told] == ["DEBUG", "INFO", "INFO"]
    assert all(result.id in message and "None" not in message for _, message in told)


def test_the_end_of_a_task_is_told_once_with_what_it_raised(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, LOGGER)

    run(tasks.fail)

    (record,) = (record for record in caplog.records if record.name == LOGGER)
    assert record.exc_info
    assert record.exc_info[0] is LookupError


def test_a_receiver_that_raises_fails_no_task() -> None:
    def receiver(**_: Any) -> None:
        raise RuntimeError("not heard")

    for signal in (framework.task_started, framework.task_finished):
        signal.connect(receiver)
    try:
        assert run(tasks.give_back, 7).return_value == 7
    finally:
        for signal in (framework.task_started, framework.task_finished):
            signal.disconnect(receiver)


def _nothing() -> None: ...


# How long its record stays


def test_the_record_of_a_task_stays_as_long_as_it_says_or_else_the_options_of_its_backend() -> None:
    declared = tasks.give_back.using(keep={"failed": DAY})
    options = {"default": {"BACKEND": PATH, "OPTIONS": {"keep": 2 * DAY}}}

    result = run(declared, 7)
    assert (kept(result.id), getattr(declared, KEEP)) == (None, Keep(failed=86_400))
    assert declared.get_result(result.id).task == declared
    assert getattr(declared.get_result(result.id).task, KEEP) == Keep(failed=86_400)
    failed = run(tasks.fail.using(keep={"failed": DAY}, max_attempts=1))
    assert kept(failed.id) == DAY
    with override_settings(TASKS=options):
        assert kept(run(tasks.give_back, 7).id) == 2 * DAY
        assert kept(run(declared, 7).id) is None


@pytest.mark.parametrize("given", [None, {"succeeded": None}, {"failed": None, "succeeded": DAY}])
def test_a_task_whose_result_nobody_could_ask_for_is_refused_where_it_is_declared(given: Any) -> None:
    message = r"^keep is None for .*succeeded|failed.*, but a Task has a result that can be asked for.*give a timedelta"
    with pytest.raises(framework.InvalidTask, match=message):
        task(keep=given)(tasks.give_back.func)
    with pytest.raises(framework.InvalidTask, match=message):
        tasks.give_back.using(keep=given)
    with isolated_registry(empty=True), pytest.raises(framework.InvalidTask, match=message):
        background(keep=given)(tasks.give_back.func).as_task()
    with override_settings(TASKS={"default": {"BACKEND": PATH, "OPTIONS": {"keep": given}}}):
        (problem,) = task_backends["default"].check()
    assert "OPTIONS: keep is None for" in problem.msg


def test_a_keep_that_is_none_is_refused_with_what_is_expected() -> None:
    with pytest.raises(framework.InvalidTask, match="keep is 3600, but must be a positive timedelta"):
        tasks.give_back.using(keep=3600)


def test_a_function_of_background_keeps_its_records_as_a_task_too() -> None:
    with isolated_registry(empty=True):
        declared = background(keep=DAY)(tasks.give_back.func).as_task()
        result = declared.enqueue(7)
        run_jobs()

        assert kept(result.id) == DAY
        assert declared.get_result(result.id).task == declared


def kept(id: str) -> timedelta | None:
    row = FinishedJob.objects.get(pk=id)
    return None if row.keep_until is None else row.keep_until - row.finished_at
