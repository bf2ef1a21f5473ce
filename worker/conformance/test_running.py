"""What a Task meets when it runs, and what its result tells: for every backend that runs something."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from worker.conformance import tasks, values
from worker.conformance.judged import Judged
from worker.framework import TaskResultStatus


class TestSuccess:
    """A Task that succeeds"""

    def test_it_gets_its_arguments(self, judged: Judged) -> None:
        assert judged.run(tasks.join, "a", two="b").return_value == "ab"

    def test_it_is_successful_and_has_no_error(self, judged: Judged) -> None:
        result = judged.run(tasks.give_back, 7)

        assert (result.status, result.errors, result.is_finished) == (TaskResultStatus.SUCCESSFUL, [], True)

    def test_it_may_return_nothing(self, judged: Judged) -> None:
        result = judged.run(tasks.give_back)

        assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, None)

    def test_its_result_tells_of_one_attempt_by_one_worker(self, judged: Judged) -> None:
        result = judged.run(tasks.give_back, 7)

        assert (result.attempts, len(result.worker_ids)) == (1, 1)
        assert all(isinstance(each, str) and each for each in result.worker_ids)

    def test_its_instants_follow_one_another(self, judged: Judged) -> None:
        result = judged.run(tasks.give_back, 7)

        assert result.enqueued_at <= result.started_at <= result.finished_at
        assert result.started_at == result.last_attempted_at
        assert result.finished_at.tzinfo is not None

    def test_many_run_and_each_has_its_own_result(self, judged: Judged) -> None:
        results = [tasks.give_back.enqueue(number) for number in range(10)]

        assert [judged.over(result).return_value for result in results] == list(range(10))


class TestContext:
    """A Task that takes the context"""

    def test_its_attempts_count_from_one(self, judged: Judged) -> None:
        assert judged.run(tasks.tell).return_value[0] == 1

    def test_it_knows_its_result(self, judged: Judged) -> None:
        result = judged.run(tasks.tell, 7)

        assert result.return_value[1] == result.id
        assert result.return_value[4] == [7]

    def test_it_is_running_in_a_worker_that_is_told(self, judged: Judged) -> None:
        assert judged.run(tasks.tell).return_value[2:4] == ["RUNNING", 1]


class TestFailure:
    """A Task that fails"""

    def test_it_has_failed_and_no_return_value(self, judged: Judged) -> None:
        result = judged.run(tasks.fail, "no such order")

        assert (result.status, result.is_finished) == (TaskResultStatus.FAILED, True)
        with pytest.raises(ValueError, match="failed"):
            result.return_value  # noqa: B018

    def test_its_error_has_the_class_and_the_traceback(self, judged: Judged) -> None:
        (error, *_) = judged.run(tasks.fail, "no such order").errors

        assert (error.exception_class, error.exception_class_path) == (ValueError, "builtins.ValueError")
        assert "in fail" in error.traceback
        assert "no such order" in error.traceback

    def test_it_has_an_error_for_each_attempt(self, judged: Judged) -> None:
        result = judged.run(tasks.fail, "no such order")

        assert len(result.errors) == len(result.worker_ids) == result.attempts >= 1

    def test_its_instants_follow_one_another(self, judged: Judged) -> None:
        result = judged.run(tasks.fail, "no such order")

        assert result.enqueued_at <= result.started_at <= result.last_attempted_at <= result.finished_at

    def test_a_task_that_raises_system_exit_has_failed(self, judged: Judged) -> None:
        result = judged.run(tasks.exit_at_once)

        assert (result.status, result.errors[0].exception_class) == (TaskResultStatus.FAILED, SystemExit)

    def test_a_task_that_is_cancelled_has_failed(self, judged: Judged) -> None:
        result = judged.run(tasks.be_cancelled)

        assert (result.status, result.errors[0].exception_class_path) == (
            TaskResultStatus.FAILED,
            "asyncio.exceptions.CancelledError",
        )

    @pytest.mark.beyond
    def test_an_interrupt_within_a_task_leaves_it_not_running_for_ever(self, judged: Judged) -> None:
        try:
            result = tasks.interrupt.enqueue()
        except KeyboardInterrupt:
            pytest.skip("a Task runs where it is enqueued, and so does its interrupt")
        for _ in range(2):
            with suppress(KeyboardInterrupt, SystemExit):
                judged.drain()

        assert judged.latest(result).status in (TaskResultStatus.FAILED, TaskResultStatus.READY)

    def test_arguments_that_do_not_fit_fail_the_task_or_are_refused(self, judged: Judged) -> None:
        try:
            result = tasks.join.enqueue("a", "b", "c")
        except TypeError:
            return

        assert judged.over(result).status == TaskResultStatus.FAILED


@pytest.mark.beyond
class TestOddErrors:
    """Errors that are hard to keep"""

    @pytest.mark.parametrize("kind", values.ODD_ERRORS)
    def test_a_task_has_failed_whatever_it_raises(self, judged: Judged, kind: str) -> None:
        before, result, after = (
            tasks.give_back.enqueue(1),
            tasks.raise_what_is_odd.enqueue(kind),
            tasks.give_back.enqueue(2),
        )

        assert judged.over(result).status == TaskResultStatus.FAILED
        assert [judged.over(each).return_value for each in (before, after)] == [1, 2]

    @pytest.mark.parametrize("kind", values.ODD_ERRORS)
    def test_the_class_of_an_error_can_be_imported(self, judged: Judged, kind: str) -> None:
        error = judged.run(tasks.raise_what_is_odd, kind).errors[0]

        assert issubclass(error.exception_class, BaseException)


@pytest.mark.beyond
class TestOddValues:
    """Arguments and results that are hard to keep"""

    @pytest.mark.parametrize("kind", values.ODD)
    def test_an_argument_arrives_as_it_is_told_or_is_refused(self, judged: Judged, kind: str) -> None:
        result = _refused_or(lambda: tasks.show.enqueue(values.ODD[kind]))
        if result is not None:
            assert judged.over(result).return_value == ascii(result.args[0])

    @pytest.mark.parametrize("kind", values.ODD)
    def test_an_argument_is_read_back_as_it_was_told_or_is_refused(self, judged: Judged, kind: str) -> None:
        result = _refused_or(lambda: tasks.show.enqueue(values.ODD[kind]))
        if result is not None:
            assert ascii(judged.latest(result).args) == ascii(result.args)

    @pytest.mark.parametrize("kind", values.ODD_RESULTS)
    def test_a_task_is_over_whatever_it_returns_and_no_other_has_harm(self, judged: Judged, kind: str) -> None:
        before, result, after = (
            tasks.give_back.enqueue(1),
            tasks.give_back_what_is_odd.enqueue(kind),
            tasks.give_back.enqueue(2),
        )

        assert judged.over(result).is_finished
        assert [judged.over(each).return_value for each in (before, after)] == [1, 2]

    @pytest.mark.parametrize("kind", values.REFUSED)
    def test_a_result_that_the_framework_does_not_take_is_a_type_error_of_its_task(
        self, judged: Judged, kind: str
    ) -> None:
        result = judged.run(tasks.give_back_what_is_odd, kind)

        assert result.status == TaskResultStatus.FAILED
        assert result.errors[-1].exception_class is TypeError

    @pytest.mark.parametrize("kind", values.ODD)
    def test_a_result_is_as_it_was_returned_or_its_task_has_failed(self, judged: Judged, kind: str) -> None:
        result = judged.run(tasks.give_back_what_is_odd, kind)

        if result.status == TaskResultStatus.SUCCESSFUL:
            assert ascii(result.return_value) == ascii(values.ODD[kind])


def _refused_or(enqueue: Any) -> Any:
    """None: it was refused, by an error that tells a caller what is wrong with the value."""
    try:
        return enqueue()
    except (TypeError, ValueError):
        return None
    except Exception as error:  # noqa: BLE001  one of a store, or of Python
        name = type(error).__name__
    return pytest.fail(f"{name} where it is enqueued", pytrace=False)
