"""What each flag promises. A backend without it is not asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connections
from django.utils import timezone

from worker import framework
from worker.conformance import tasks
from worker.conformance.judged import Judged
from worker.framework import TaskResultStatus

FAR = datetime(2999, 1, 1, 12, 30, tzinfo=UTC)


@pytest.mark.needs("supports_get_result")
class TestResults:
    """Results that can be read"""

    def test_a_result_is_found_by_its_id(self, judged: Judged) -> None:
        result = tasks.join.enqueue("a", two="b")

        found = judged.backend.get_result(result.id)

        assert (found.id, found.args, found.kwargs) == (result.id, ["a"], {"two": "b"})
        assert (found.task, found.backend, found.enqueued_at) == (tasks.join, judged.alias, result.enqueued_at)

    def test_a_result_is_found_by_its_task(self) -> None:
        result = tasks.give_back.enqueue(7)

        assert tasks.give_back.get_result(result.id).id == result.id

    def test_a_result_is_found_in_async_code(self) -> None:
        result = tasks.give_back.enqueue(7)

        assert async_to_sync(tasks.give_back.aget_result)(result.id).id == result.id

    def test_a_result_is_found_in_another_thread(self) -> None:
        result = tasks.give_back.enqueue(7)

        assert _in_a_thread(lambda: tasks.give_back.get_result(result.id).args) == [7]

    def test_a_result_is_not_that_of_another_task(self) -> None:
        result = tasks.give_back.enqueue(7)

        with pytest.raises(framework.TaskResultMismatch):
            tasks.join.get_result(result.id)
        with pytest.raises(framework.TaskResultMismatch):
            async_to_sync(tasks.join.aget_result)(result.id)

    @pytest.mark.parametrize(
        "id", ["", "none", "0", "-1", "1_000", " 7 ", "٧", "9" * 40, "é", "a\x00b", "x" * 64, None, 7], ids=ascii
    )
    def test_what_is_no_id_of_a_result_has_none(self, judged: Judged, id: Any) -> None:
        with pytest.raises(framework.TaskResultDoesNotExist):
            judged.backend.get_result(id)

    def test_what_is_no_id_of_a_result_has_none_in_async_code(self, judged: Judged) -> None:
        with pytest.raises(framework.TaskResultDoesNotExist):
            async_to_sync(judged.backend.aget_result)("none")

    def test_a_result_can_be_refreshed(self, judged: Judged) -> None:
        result = tasks.give_back.enqueue(7)
        judged.require_a_wait(result)
        judged.drain()

        result.refresh()

        assert (result.status, result.return_value, result.attempts) == (TaskResultStatus.SUCCESSFUL, 7, 1)
        assert result.started_at <= result.finished_at

    def test_a_result_can_be_refreshed_in_async_code(self, judged: Judged) -> None:
        result = tasks.give_back.enqueue(7)
        judged.require_a_wait(result)
        judged.drain()

        async_to_sync(result.arefresh)()

        assert (result.status, result.return_value) == (TaskResultStatus.SUCCESSFUL, 7)

    @pytest.mark.beyond
    def test_a_result_can_be_read_though_its_task_is_gone(
        self, judged: Judged, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = judged.run(tasks.give_back, 7)
        monkeypatch.delattr(tasks, "give_back")

        found = judged.backend.get_result(result.id)

        assert (found.args, found.return_value) == ([7], 7)


@pytest.mark.needs("supports_defer")
class TestDefer:
    """Tasks that wait"""

    def test_a_task_does_not_run_before_its_time(self, judged: Judged) -> None:
        result = tasks.give_back.using(run_after=FAR).enqueue(7)
        due = tasks.give_back.enqueue(8)

        assert judged.over(due).return_value == 8
        assert judged.latest(result).status == TaskResultStatus.READY

    def test_a_task_runs_once_its_time_has_come(self, judged: Judged) -> None:
        result = tasks.give_back.using(run_after=timezone.now() + timedelta(seconds=1)).enqueue(7)

        assert _eventually(judged, result).return_value == 7
        assert result.task.run_after <= judged.latest(result).started_at

    def test_a_time_that_is_past_is_now(self, judged: Judged) -> None:
        assert judged.run(tasks.give_back.using(run_after=timezone.now() - timedelta(hours=1)), 7).return_value == 7

    @pytest.mark.needs("supports_get_result")
    def test_its_result_tells_the_time_that_was_given(self, judged: Judged) -> None:
        declared = tasks.give_back.using(run_after=FAR)

        found = judged.latest(declared.enqueue(7))

        assert (found.task, found.task.run_after) == (declared, FAR)

    def test_a_time_without_a_zone_is_refused(self) -> None:
        with pytest.raises(framework.InvalidTask):
            tasks.give_back.using(run_after=datetime(2999, 1, 1))


@pytest.mark.needs("supports_priority")
class TestPriority:
    """Tasks with priorities"""

    def test_a_larger_priority_runs_first(self, judged: Judged, tmp_path: Path) -> None:
        trace = tmp_path / "trace"
        for priority in (-100, 7, 100, 0):
            result = tasks.write.using(priority=priority).enqueue(str(trace), str(priority))
            judged.require_a_wait(result)

        judged.drain()

        assert trace.read_text().split() == ["100", "7", "0", "-100"]

    @pytest.mark.parametrize("priority", [-100, 0, 100])
    def test_a_result_tells_its_priority(self, judged: Judged, priority: int) -> None:
        declared = tasks.give_back.using(priority=priority)

        found = judged.latest(declared.enqueue(7))

        assert (found.task, found.task.priority) == (declared, priority)

    @pytest.mark.parametrize("priority", [3.0, True])
    def test_a_priority_that_equals_a_whole_number_is_one_or_is_refused(self, judged: Judged, priority: Any) -> None:
        try:
            declared = tasks.give_back.using(priority=priority)
        except framework.InvalidTask:
            return

        assert judged.run(declared, 7).task.priority == int(priority)


@pytest.mark.needs("supports_async_task")
class TestAsyncTasks:
    """Tasks that are coroutine functions"""

    def test_it_is_awaited_and_has_a_result(self, judged: Judged) -> None:
        from worker.conformance import async_tasks

        assert judged.run(async_tasks.give_back, 7).return_value == 7

    def test_it_has_failed_when_it_raises(self, judged: Judged) -> None:
        from worker.conformance import async_tasks

        result = judged.run(async_tasks.fail, "no such order")

        assert (result.status, result.errors[0].exception_class) == (TaskResultStatus.FAILED, ValueError)

    def test_it_may_take_the_context(self, judged: Judged) -> None:
        from worker.conformance import async_tasks

        result = judged.run(async_tasks.tell)

        assert result.return_value == [1, result.id]


def _eventually(judged: Judged, result: Any) -> Any:
    deadline = time.monotonic() + 30
    while not judged.latest(result).is_finished and time.monotonic() < deadline:
        judged.drain()
        time.sleep(0.05)
    return judged.over(result)


def _in_a_thread(call: Callable[[], Any]) -> Any:
    def closing() -> Any:
        try:
            return call()
        finally:
            for alias in connections:
                connections[alias].close()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(closing).result()
