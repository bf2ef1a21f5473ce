"""What a backend is, and which Tasks it takes: for every backend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import override_settings

from worker import framework
from worker.conformance import tasks
from worker.conformance.judged import Judged

FLAGS = ("supports_defer", "supports_async_task", "supports_get_result", "supports_priority")


def with_queues(judged: Judged, *queues: str) -> dict[str, Any]:
    """TASKS, where the backend has these alone."""
    return {**settings.TASKS, judged.alias: {**settings.TASKS[judged.alias], "QUEUES": list(queues)}}


async def _a_coroutine() -> None: ...


def _without_context(other: object) -> None: ...


class TestBackend:
    """The backend itself"""

    def test_it_is_a_backend_of_the_framework(self, judged: Judged) -> None:
        assert isinstance(judged.backend, framework.BaseTaskBackend)

    def test_it_is_made_of_an_alias_and_its_settings(self, judged: Judged) -> None:
        params = {**settings.TASKS[judged.alias], "QUEUES": ["one", "two"]}

        other = type(judged.backend)(alias="another", params=params)

        assert (other.alias, set(other.queues)) == ("another", {"one", "two"})

    def test_it_has_the_queue_default_unless_its_settings_say_otherwise(self, judged: Judged) -> None:
        params = {name: value for name, value in settings.TASKS[judged.alias].items() if name != "QUEUES"}

        assert set(type(judged.backend)(alias="another", params=params).queues) == {"default"}

    @pytest.mark.parametrize("flag", FLAGS)
    def test_it_says_yes_or_no_to_each_flag(self, judged: Judged, flag: str) -> None:
        assert getattr(judged.backend, flag) in (True, False)

    def test_its_checks_are_messages(self, judged: Judged) -> None:
        messages = judged.backend.check()

        assert isinstance(messages, Iterable)
        assert all(hasattr(each, "is_serious") for each in messages)


class TestDeclaring:
    """Declaring a Task"""

    def test_a_task_is_of_the_class_of_its_backend(self, judged: Judged) -> None:
        assert isinstance(tasks.give_back, framework.Task)
        assert isinstance(tasks.give_back, judged.backend.task_class)

    def test_a_task_cannot_be_changed(self) -> None:
        with pytest.raises(FrozenInstanceError):
            tasks.give_back.priority = 7

    def test_a_task_with_other_options_is_another_one(self, judged: Judged) -> None:
        changed = tasks.give_back.using(backend=judged.alias, queue_name=tasks.QUEUE)

        assert changed == tasks.give_back
        assert changed is not tasks.give_back

    def test_a_task_can_be_called_as_its_function(self) -> None:
        assert tasks.give_back.call(7) == 7
        assert async_to_sync(tasks.give_back.acall)(7) == 7

    def test_a_function_within_another_one_is_refused(self) -> None:
        def within() -> None: ...

        with pytest.raises(framework.InvalidTask):
            tasks.declared()(within)

    def test_a_lambda_within_a_function_is_refused(self) -> None:
        with pytest.raises(framework.InvalidTask):
            tasks.declared()(lambda: None)

    def test_a_task_that_takes_the_context_has_it_as_its_first_parameter(self) -> None:
        with pytest.raises(framework.InvalidTask):
            tasks.declared(takes_context=True)(_without_context)

    def test_an_unknown_queue_is_refused(self, judged: Judged) -> None:
        with override_settings(TASKS=with_queues(judged, "one")), pytest.raises(framework.InvalidTask):
            tasks.give_back.using(queue_name="other")

    def test_any_queue_will_do_where_its_settings_list_none(self, judged: Judged) -> None:
        with override_settings(TASKS=with_queues(judged)):
            assert tasks.give_back.using(queue_name="other").queue_name == "other"

    @pytest.mark.parametrize("priority", [-101, 101, 3.1])
    def test_a_priority_that_there_is_not_is_refused(self, priority: Any) -> None:
        with pytest.raises(framework.InvalidTask):
            tasks.give_back.using(priority=priority)


class TestWithoutFlags:
    """What a backend does not support, it refuses"""

    @pytest.mark.parametrize("flag", ["supports_async_task", "supports_defer", "supports_priority"])
    def test_what_needs_a_flag_is_refused_without_it(self, judged: Judged, flag: str) -> None:
        if getattr(judged.backend, flag):
            pytest.skip(f"it says {flag}")
        match flag:
            case "supports_async_task":
                with pytest.raises(framework.InvalidTask):
                    tasks.declared()(_a_coroutine)
            case "supports_defer":
                with pytest.raises(framework.InvalidTask):
                    tasks.give_back.using(run_after=datetime(2999, 1, 1, tzinfo=UTC))
            case _:
                with pytest.raises(framework.InvalidTask):
                    tasks.give_back.using(priority=1)


class TestSettingsThatHaveChanged:
    """A Task is examined again when it is enqueued"""

    def test_a_queue_that_is_gone_is_refused_and_nothing_runs(self, judged: Judged, tmp_path: Path) -> None:
        trace = tmp_path / "trace"

        with override_settings(TASKS=with_queues(judged, "other")), pytest.raises(framework.InvalidTask):
            tasks.write.enqueue(str(trace), "written")

        self._nothing_was_enqueued(judged, trace)

    def test_a_queue_that_is_gone_is_refused_in_async_code(self, judged: Judged, tmp_path: Path) -> None:
        trace = tmp_path / "trace"

        with override_settings(TASKS=with_queues(judged, "other")), pytest.raises(framework.InvalidTask):
            async_to_sync(tasks.write.aenqueue)(str(trace), "written")

        self._nothing_was_enqueued(judged, trace)

    def _nothing_was_enqueued(self, judged: Judged, trace: Path) -> None:
        judged.drain_if_possible()
        assert not trace.exists()
