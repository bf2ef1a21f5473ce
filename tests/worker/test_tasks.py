"""The registry: the only way from a name in the database to code."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, markcoroutinefunction, sync_to_async
from pytest_django import Settings

from worker import tasks
from worker.tasks import InvalidTask, Task, UnknownTask, path_of


def report() -> None:
    """A task."""


def other() -> None:
    """Another."""


class Holder:
    def method(self) -> None:
        """No task: a worker would need the object."""


pytestmark = pytest.mark.usefixtures("nothing_declared")


def test_a_registered_task_is_found_by_its_name() -> None:
    task = tasks.register(Task(report, "a report"))

    assert tasks.get("a report") is task
    assert task in tasks.registered()


@pytest.mark.parametrize("name", ["tests.worker.test_tasks.report", "os.system", "Report", "report ", "r\u00e9port"])
def test_a_name_that_nobody_registered_calls_nothing(name: str) -> None:
    tasks.register(Task(report, "report"))

    with pytest.raises(UnknownTask, match=name):
        tasks.get(name)


def test_the_same_function_may_be_declared_again() -> None:
    tasks.register(Task(report, "report"))

    assert tasks.register(Task(report, "report", queue="mail")).queue == "mail"
    assert tasks.get("report").queue == "mail"


def test_what_a_task_was_called_before_is_the_task() -> None:
    task = tasks.register(Task(report, "new", formerly=("old", "older")))

    assert tasks.get("older") is tasks.get("new") is task
    assert tasks.is_registered("old")
    assert tasks.same("old", "new")
    assert tasks.same("old", "older")
    assert not tasks.same("old", "another")
    assert tasks.register(Task(report, "new", formerly=("old",))).formerly == ("old",), "declared again"


def test_a_former_name_means_one_task() -> None:
    tasks.register(Task(report, "new", formerly=("old",)))

    with pytest.raises(InvalidTask, match="new had this name before"):
        tasks.register(Task(other, "old"))
    with pytest.raises(InvalidTask, match=r'its former name "old" .formerly. belongs to new'):
        tasks.register(Task(other, "third", formerly=("old",)))
    with pytest.raises(InvalidTask, match=r'its former name "new" .formerly. belongs to new'):
        tasks.register(Task(other, "fourth", formerly=("new",)))


@pytest.mark.parametrize("given", ["old", ("",), ("new",), (7,), None])
def test_what_are_no_former_names_is_refused(given: Any) -> None:
    with pytest.raises(InvalidTask, match=r"formerly is .*, but must be a list of names that the task had before"):
        Task(report, "new", formerly=given)


def test_two_functions_of_one_name_are_refused_with_both_places() -> None:
    tasks.register(Task(report, "report"))

    with pytest.raises(InvalidTask, match=r"declared twice: by .*\.report and by .*\.other\. Give one of them"):
        tasks.register(Task(other, "report"))


def test_the_path_of_a_function_is_where_it_can_be_imported() -> None:
    assert path_of(report) == f"{__name__}.report"


@pytest.mark.parametrize(
    "callable_without_path",
    [lambda: None, Holder.method, Holder().method, functools.partial(report), Holder(), None, "report"],
    ids=["lambda", "function of a class", "method", "partial", "object", "None", "text"],
)
def test_what_no_worker_could_import_is_no_task(callable_without_path: Any) -> None:
    with pytest.raises(InvalidTask, match="it must be a top-level function of a module"):
        path_of(callable_without_path)


def test_a_function_in_a_function_is_no_task() -> None:
    def inner() -> None:
        """Gone when this test is."""

    with pytest.raises(InvalidTask, match="top-level"):
        path_of(inner)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"name": "x" * 256}, "its name has 256 characters; at most 255 are allowed"),
        ({"name": ""}, "its name"),
        ({"name": "a\x00b"}, "its name"),
        ({"name": "a\ud800b"}, "its name"),
        ({"queue": "q" * 101}, 'the name of the queue "qqqqqqqqqqqqqqqqqqqq…" has 101 characters; at most 100'),
        ({"queue": ""}, "'' is no queue: give a name of printable characters"),
        ({"queue": "  "}, "'  ' is no queue"),
        ({"queue": "a\nb"}, "is no queue"),
        ({"queue": "a\x00b"}, "is no queue"),
        ({"queue": "a\ud800b"}, "is no queue"),
        ({"queue": 7}, "7 is no queue"),
        ({"priority": 101}, "101 is no priority: give a whole number from -100 to 100"),
        ({"priority": -101}, "-101 is no priority"),
        ({"priority": 1.0}, "1.0 is no priority"),
        ({"priority": True}, "True is no priority"),
        ({"max_attempts": 0}, "max_attempts is 0, but must be a whole number from 1 to 10000"),
        ({"max_attempts": True}, "max_attempts is True"),
        ({"max_attempts": 2**31}, "max_attempts is 2147483648"),
        ({"backoff": -1}, "-1 is no backoff"),
        ({"backoff": []}, "[] is no backoff"),
        ({"retry_on": ValueError}, "retry_on is <class 'ValueError'>, but must be a list of exception classes, or of"),
        ({"retry_on": "builtins.ValueError"}, "retry_on is 'builtins.ValueError', but must be a list"),
        ({"retry_on": [int]}, "retry_on is [<class 'int'>], but must be a list of exception classes"),
        ({"give_up_on": ["no path"]}, "give_up_on is ['no path'], but must be a list"),
        ({"give_up_on": None}, "give_up_on is None, but must be a list"),
        ({"atomic": 1}, "atomic is 1, but must be True or False"),
        ({"atomic": "default"}, "atomic is 'default', but must be True or False"),
        ({"fresh_connection": 1}, "fresh_connection is 1, but must be True or False"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_task_that_could_not_work_is_refused(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidTask) as refused:
        Task(**{"function": report, "name": "report", **given})

    assert fault in str(refused.value)


# What a call would not run


async def later() -> None: ...
def numbers() -> Iterator[int]:
    yield 1


async def numbers_later() -> AsyncIterator[int]:
    yield 1


class Callee:
    async def __call__(self) -> None: ...
    async def method(self) -> None: ...


@functools.wraps(later)
def decorated(*args: Any) -> Any:
    return later(*args)


@markcoroutinefunction
def marked() -> Any:
    return later()


OF_A_CALL_AND_NO_MORE = {
    "async function": (later, "an async function"),
    "generator function": (numbers, "a generator function"),
    "async generator function": (numbers_later, "an async generator function"),
    "callable object": (Callee(), "an async function"),
    "method": (Callee().method, "an async function"),
    "partial": (functools.partial(later), "an async function"),
    "partial of a callable object": (functools.partial(Callee()), "an async function"),
    "decorated": (decorated, "an async function"),
    "cached": (functools.cache(later), "an async function"),
    "partial of decorated": (functools.partial(functools.cache(numbers)), "a generator function"),
    "marked": (marked, "an async function"),
    "from a plain one": (sync_to_async(report), "an async function"),
}


@pytest.mark.parametrize(("function", "kind"), OF_A_CALL_AND_NO_MORE.values(), ids=OF_A_CALL_AND_NO_MORE)
def test_what_puts_its_work_off_is_no_task(function: Any, kind: str) -> None:
    with pytest.raises(InvalidTask) as refused:
        Task(function, "report")

    assert str(refused.value).startswith(f'Task "report": it is {kind}, so a call would not run it: ')
    assert str(refused.value).endswith(" inside a plain function.")


def test_an_async_function_is_a_task_once_it_is_made_a_plain_one() -> None:
    def waits() -> None:
        async_to_sync(later)()

    for plain in (async_to_sync(later), functools.partial(async_to_sync(later)), waits, Holder, Holder().method):
        assert Task(plain, "report").function is plain


def test_a_function_that_wraps_itself_has_an_end() -> None:
    def wraps_itself() -> None: ...

    wraps_itself.__wrapped__ = wraps_itself  # type: ignore[attr-defined]

    assert Task(wraps_itself, "report").name == "report"


@pytest.mark.parametrize("queue", ["default", "q" * 100, "mail & more", "Почта", "🔔", "Mail"])
def test_printable_names_are_queues(queue: str) -> None:
    assert Task(report, "report", queue=queue).queue == queue


def test_attempts_and_backoff_come_from_the_task_or_else_from_the_settings(settings: Settings) -> None:
    settings.SCHEDULER = {"MAX_ATTEMPTS": 3, "BACKOFF": [100]}

    assert Task(report, "report").attempts_allowed == 3
    assert Task(report, "report", max_attempts=1).attempts_allowed == 1
    assert 100 <= Task(report, "report").retry_delay(attempt=1, job_id=7) <= 110
    assert 5 <= Task(report, "report", backoff=[5]).retry_delay(attempt=1, job_id=7) <= 5.5
    assert Task(report, "report", backoff=0).retry_delay(attempt=1, job_id=7) == 0
