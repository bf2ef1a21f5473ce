"""What the framework's signals and its log tell of a Task."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.dispatch import Signal

from worker import framework
from worker.conformance import tasks
from worker.conformance.judged import Judged
from worker.framework import TaskResultStatus

Heard = list[tuple[str, Any, str, str]]
LOGGER = framework.Task.__module__.partition(".base")[0].replace("django_tasks.task", "django_tasks")


class TestSignals:
    """Signals"""

    def test_that_a_task_is_enqueued_is_told_once_by_the_class_of_its_backend(
        self, judged: Judged, heard: Heard
    ) -> None:
        result = tasks.give_back.enqueue(7)

        told = [each for each in heard if each[0] == "enqueued"]
        assert told == [("enqueued", type(judged.backend), result.id, "READY")]

    @pytest.mark.parametrize(("task", "end"), [("give_back", "SUCCESSFUL"), ("fail", "FAILED")])
    def test_start_and_end_are_told_once_in_their_order(
        self, judged: Judged, heard: Heard, task: str, end: str
    ) -> None:
        judged.require_one_process(tasks.tell_process)

        result = judged.run(getattr(tasks, task), "7")

        told = [(name, status) for name, _, id, status in heard if id == result.id]
        assert told == [("enqueued", "READY"), ("started", "RUNNING"), ("finished", end)]

    @pytest.mark.parametrize("task", ["give_back", "fail"])
    def test_start_and_end_are_told_by_the_class_of_the_backend(self, judged: Judged, heard: Heard, task: str) -> None:
        judged.require_one_process(tasks.tell_process)

        judged.run(getattr(tasks, task), "7")

        assert {sender for _, sender, _, _ in heard} == {type(judged.backend)}

    def test_what_cannot_be_enqueued_is_not_told(self, heard: Heard) -> None:
        with pytest.raises(TypeError):
            tasks.give_back.enqueue(object())

        assert heard == []

    @pytest.mark.beyond
    @pytest.mark.parametrize("name", ["task_started", "task_finished"])
    def test_a_receiver_that_raises_fails_no_task(self, judged: Judged, name: str) -> None:
        judged.require_one_process(tasks.tell_process)
        signal: Signal = getattr(framework, name)

        def raising(**_: Any) -> None:
            raise RuntimeError("not heard")

        signal.connect(raising)
        try:
            result = judged.run(tasks.give_back, 7)
        finally:
            signal.disconnect(raising)

        assert result.status == TaskResultStatus.SUCCESSFUL


class TestLog:
    """The log of the framework"""

    def test_a_task_that_succeeds_has_three_records(self, judged: Judged, caplog: pytest.LogCaptureFixture) -> None:
        judged.require_one_process(tasks.tell_process)
        result, told = self._run(judged, caplog, tasks.give_back)

        assert [record.levelname for record in told] == ["DEBUG", "INFO", "INFO"]
        assert all(result.id in record.getMessage() for record in told)

    def test_no_record_has_none_in_place_of_something(self, judged: Judged, caplog: pytest.LogCaptureFixture) -> None:
        judged.require_one_process(tasks.tell_process)
        _, told = self._run(judged, caplog, tasks.give_back)

        assert all("None" not in f"{record.getMessage()} {record.exc_text or ''}" for record in told)

    def test_a_failure_is_an_error_with_what_was_raised(self, judged: Judged, caplog: pytest.LogCaptureFixture) -> None:
        judged.require_one_process(tasks.tell_process)
        _, told = self._run(judged, caplog, tasks.fail)

        assert told[-1].levelname == "ERROR"
        assert told[-1].exc_info
        assert told[-1].exc_info[0] is ValueError

    def _run(self, judged: Judged, caplog: pytest.LogCaptureFixture, task: Any) -> Any:
        caplog.clear()
        caplog.set_level(logging.DEBUG, LOGGER)
        result = judged.run(task, "7")
        return result, [record for record in caplog.records if record.name == LOGGER]
