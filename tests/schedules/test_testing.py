"""What tests of others rest on: declarations that are forgotten, and a clock that moves when it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from schedules import background, scheduled
from schedules.declarations import background_tasks, in_code
from schedules.testing import isolated_registry
from worker import tasks
from worker.tasks import InvalidTask


def known() -> None: ...
def new() -> None: ...


@pytest.fixture(autouse=True)
def one_is_declared(nothing_declared: None) -> Iterator[None]:
    scheduled(name="known", repeat=60)(background(name="known")(known))
    yield
    assert names() == (["known"], ["known"], ["known"])


def names() -> tuple[list[str], list[str], list[str]]:
    """Of the tasks, of those that a decorator made, and of the schedules."""
    return (
        [task.name for task in tasks.registered()],
        [task.task.name for task in background_tasks()],
        [spec.name for spec in in_code()],
    )


def test_what_is_declared_in_an_isolated_registry_is_forgotten_after_it() -> None:
    with isolated_registry():
        scheduled(name="new", repeat=60)(background(name="new")(new))

        assert names() == (["known", "new"], ["known", "new"], ["known", "new"])
    assert names() == (["known"], ["known"], ["known"])


def test_what_was_declared_before_may_be_declared_otherwise_there() -> None:
    with isolated_registry():
        scheduled(name="known", repeat=3600)(background(name="known", queue="mail")(known))

        assert tasks.get("known").queue == "mail"
    assert tasks.get("known").queue == "default"
    assert [spec.repeat for spec in in_code()] == ["60"]


def test_an_empty_registry_knows_nothing_that_was_declared_before() -> None:
    with isolated_registry(empty=True):
        assert names() == ([], [], [])
        background(name="known")(new)


def test_an_error_leaves_the_registry_as_it_was() -> None:
    with pytest.raises(InvalidTask), isolated_registry(empty=True):
        background(name="")(new)


def test_registries_may_be_isolated_within_each_other() -> None:
    with isolated_registry(empty=True):
        background(name="outer")(new)
        with isolated_registry():
            background(name="inner")(new)
            assert names()[0] == ["outer", "inner"]
        assert names()[0] == ["outer"]


def test_other_threads_see_what_is_declared_meanwhile() -> None:
    with isolated_registry(), ThreadPoolExecutor() as threads:
        task = background(name="new")(new)

        assert threads.submit(tasks.get, "new").result() is task.task
