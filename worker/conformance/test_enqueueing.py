"""What enqueueing gives back, and that it is done at once: for every backend."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction

from worker import framework
from worker.conformance import tasks, values
from worker.conformance.judged import Judged
from worker.framework import TaskResultStatus


class TestEnqueueing:
    """Enqueueing a Task"""

    def test_a_result_has_an_id_of_less_than_64_characters(self) -> None:
        result = tasks.give_back.enqueue(7)

        assert isinstance(result.id, str)
        assert 0 < len(result.id) < 64

    def test_each_result_has_an_id_of_its_own(self) -> None:
        assert len({tasks.give_back.enqueue(7).id for _ in range(5)}) == 5

    def test_a_result_names_its_task_and_its_backend(self, judged: Judged) -> None:
        result = tasks.give_back.enqueue(7)

        assert isinstance(result, framework.TaskResult)
        assert (result.task, result.backend) == (tasks.give_back, judged.alias)

    def test_a_result_has_the_arguments_as_a_list_and_a_dictionary(self) -> None:
        result = tasks.join.enqueue("a", two="b")

        assert (result.args, result.kwargs) == (["a"], {"two": "b"})

    def test_a_result_knows_when_it_was_enqueued(self) -> None:
        enqueued_at = tasks.give_back.enqueue(7).enqueued_at

        assert isinstance(enqueued_at, datetime)
        assert enqueued_at.tzinfo is not None

    def test_a_task_that_waits_has_had_no_attempt(self, judged: Judged) -> None:
        result = tasks.give_back.enqueue(7)
        judged.require_a_wait(result)

        assert (result.attempts, result.errors, result.worker_ids) == (0, [], [])
        assert (result.started_at, result.last_attempted_at, result.finished_at) == (None, None, None)
        assert not result.is_finished

    def test_a_task_that_waits_has_no_return_value(self, judged: Judged) -> None:
        result = tasks.give_back.enqueue(7)
        judged.require_a_wait(result)

        with pytest.raises(ValueError, match="finished"):
            result.return_value  # noqa: B018

    def test_the_backend_takes_its_parameters_by_name(self, judged: Judged) -> None:
        result = judged.backend.enqueue(task=tasks.give_back, args=[7], kwargs={})

        assert result.args == [7]

    def test_a_task_can_be_enqueued_in_async_code(self) -> None:
        result = async_to_sync(tasks.join.aenqueue)("a", two="b")

        assert (result.task, result.args, result.kwargs) == (tasks.join, ["a"], {"two": "b"})

    @pytest.mark.parametrize("name", values.REFUSED)
    def test_what_the_framework_does_not_take_is_a_type_error_and_nothing_runs(
        self, judged: Judged, tmp_path: Path, name: str
    ) -> None:
        trace = tmp_path / "trace"

        with pytest.raises(TypeError):
            tasks.write.enqueue(str(trace), "written", values.REFUSED[name])

        judged.drain_if_possible()
        assert not trace.exists()

    @pytest.mark.skipif(
        "__reduce__" not in vars(framework.Task), reason="Tasks can be copied and pickled from Django 6.1 on"
    )
    def test_a_task_and_its_result_can_be_copied_as_pickle_does_it(self) -> None:
        result = tasks.give_back.enqueue(7)

        assert deepcopy(tasks.give_back) == tasks.give_back
        assert deepcopy(result) == result


class TestTransactions:
    """Within a transaction"""

    def test_a_task_is_enqueued_at_once(self, judged: Judged) -> None:
        with transaction.atomic():
            result = tasks.give_back.enqueue(7)
            if judged.backend.supports_get_result and not result.is_finished:
                assert judged.backend.get_result(result.id).status == TaskResultStatus.READY

    def test_a_task_runs_after_the_commit(self, judged: Judged) -> None:
        with transaction.atomic():
            result = tasks.give_back.enqueue(7)

        assert judged.over(result).return_value == 7

    @pytest.mark.beyond
    def test_a_rollback_takes_along_a_task_that_is_kept_in_the_database(self, judged: Judged, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        sent: list[str] = []

        def noting(execute: Any, sql: str, *others: Any) -> Any:
            sent.append(sql)
            return execute(sql, *others)

        with transaction.atomic():
            with connection.execute_wrapper(noting):
                result = tasks.write.enqueue(str(trace), "written")
            judged.require_a_wait(result)
            transaction.set_rollback(True)

        if not sent:
            pytest.skip("it keeps its Tasks outside this database")

        judged.drain()
        assert not trace.exists()


class TestOrdinaryValues:
    """Arguments and results that the framework takes"""

    @pytest.mark.parametrize("name", values.ORDINARY)
    def test_an_argument_is_told_as_the_framework_has_it(self, name: str) -> None:
        given, plain = values.ORDINARY[name]

        result = tasks.give_back.enqueue(given)

        assert _same(result.args, [plain])

    @pytest.mark.parametrize("name", values.ORDINARY)
    def test_a_task_gets_it_and_its_result_is_what_it_gives_back(self, judged: Judged, name: str) -> None:
        given, plain = values.ORDINARY[name]

        assert _same(judged.run(tasks.give_back, given).return_value, plain)


def _same(one: Any, other: Any) -> bool:
    """True is 1 to Python, and not to JSON."""
    return ascii(one) == ascii(other)
