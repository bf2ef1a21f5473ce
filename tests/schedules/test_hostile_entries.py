"""Whatever is given at any entry: it works, or it is refused with a documented error, in milliseconds, in one line.

What is accepted is written and ticked on the real tables, since a database may refuse what Python took for good.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from io import StringIO
from time import thread_time
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.forms.models import model_to_dict
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules import api, background, changes, scheduled
from schedules.admin.forms import ScheduleForm
from schedules.declarations import Background, background_tasks, in_code
from schedules.declarations.background import CALL_OPTIONS
from schedules.declarations.configured import in_settings
from schedules.models import Occurrence, Schedule
from schedules.scheduler import tick
from schedules.spec import OPTIONS, InvalidSchedule, Spec
from tests.schedules.recurrence.moments import at
from worker import tasks
from worker.arguments import InvalidArguments
from worker.calls import InvalidCall
from worker.chores import Chores
from worker.clock import database_now
from worker.models import Job
from worker.tasks import RUN_OPTIONS, InvalidTask

ALIAS = "default"
pytestmark = pytest.mark.usefixtures("nothing_declared")
REFUSALS = (InvalidCall, InvalidSchedule, InvalidTask, TypeError, CommandError)
QUICK = 2.0
"""Seconds of this thread's own time, which no busy machine adds to."""
LONGEST_MESSAGE = 600
NIGHTLY = "0 3 * * *"


class Rude:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


class Talkative:
    def __repr__(self) -> str:
        return "blah\n" * 200_000


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def loop() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


async def nothing_yet() -> None:
    """Somebody would have to await it."""


HOSTILE: dict[str, Any] = {
    "nothing": None,
    "empty text": "",
    "blank": " ",
    "a megabyte of terms": "* " * 500_000,
    "a megabyte of letters": "x" * 10**6,
    "300 letters": "x" * 300,
    "5,000 digits": "9" * 5000,
    "Arabic digits": "٣ ٣ * * *",
    "an Arabic digit": "٣",
    "NUL": "\x00",
    "a line feed": "a\nb",
    "a lone surrogate": "\ud800",
    "right to left": "\u202eabc",
    "nested steps": "*/5/5 * * * *",
    "31 February": "0 0 31 2 *",
    "a path": "../../etc/passwd",
    "placeholders": "%s %d {0} {x!r} {{ 7*7 }}",
    "SQL": "'; DROP TABLE schedules_schedule; --",
    "a dotted path to nothing": "no.such.module.task",
    "a relative path": "..tasks.report",
    "an unknown command": "manage:" + "clearsession" * 1000,
    "True": True,
    "False": False,
    "0": 0,
    "-1": -1,
    "a half": 0.5,
    "2**31": 2**31,
    "2**63": 2**63,
    "10**6000": 10**6000,
    "-10**6000": -(10**6000),
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "decimal NaN": Decimal("NaN"),
    "bytes": b"* * * * *",
    "a naive datetime": datetime(2026, 7, 1),
    "the first instant": datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    "the last instant": datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
    "the year 500": datetime(500, 1, 1, tzinfo=UTC),
    "an aware datetime": at("12:00"),
    "a date": date(2026, 7, 1),
    "a day": timedelta(days=1),
    "a microsecond": timedelta(microseconds=1),
    "the longest timedelta": timedelta.max,
    "the shortest timedelta": timedelta.min,
    "an empty list": [],
    "a list": [1, "two"],
    "a list of the unshowable": [Rude()],
    "10,000 lists": nested(10_000),
    "a list in itself": loop(),
    "an empty dict": {},
    "a dict": {"a": 1},
    "a dict by the unshowable": {Rude(): 1},
    "a set": {1},
    "an object": object(),
    "the unshowable": Rude(),
    "the talkative": Talkative(),
    "a class": int,
    "a function": print,
    "an async function": nothing_yet,
}


@dataclass(frozen=True)
class Entry:
    """A way in: `take` gives what it makes of options, and a refusal begins with `place`."""

    name: str
    options: tuple[str, ...]
    take: Callable[[dict[str, Any]], object]
    place: str

    def __str__(self) -> str:
        return self.name


def report(*args: Any, **kwargs: Any) -> None:
    """A task that takes anything."""


def plain_task() -> Background[..., Any, Any]:
    return Background(tasks.Task(report, "report"), {})


def by_background(options: dict[str, Any]) -> object:
    return background(**options)(report)(1)  # type: ignore[no-untyped-call]


def by_call(options: dict[str, Any]) -> object:
    return plain_task()(1, **options)


def by_using(options: dict[str, Any]) -> object:
    return plain_task().using(**options).enqueue(1)


def by_scheduled(options: dict[str, Any]) -> object:
    scheduled(**options)(report)
    return in_code().pop()


def by_settings(options: dict[str, Any]) -> object:
    return configured({"nightly": {"task": "manage:clearsessions", **options}})


def by_api(options: dict[str, Any]) -> object:
    return api.schedule(**{"task": "manage:clearsessions", "name": "nightly", **options})


def configured(given: Any) -> object:
    """What settings make of it; a refusal is raised."""
    with override_settings(SCHEDULES=given):
        read = in_settings()
    for problem in read.problems:
        raise InvalidSchedule(problem)
    return read.specs.pop() if read.specs else None


OF_TASK = RUN_OPTIONS
ENTRIES = [
    Entry("@background", ("name", *OF_TASK, *CALL_OPTIONS), by_background, ""),
    Entry("a call", CALL_OPTIONS, by_call, "report"),
    Entry("using", CALL_OPTIONS, by_using, "report"),
    Entry("@scheduled", ("name", "args", "kwargs", "enabled", *OPTIONS), by_scheduled, ""),
    Entry("settings", ("task", "args", "kwargs", "enabled", *OPTIONS), by_settings, 'SCHEDULES["nightly"]'),
    Entry("the API", ("task", "name", "args", "kwargs", "enabled", *OPTIONS), by_api, "schedule(name="),
]
WRITES_ALL_OPTIONS = "the API"
"""What reaches a database is the same by each entry; so on the servers one entry stands for them."""


@contextmanager
def undone() -> Iterator[None]:
    """What is written meanwhile is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def answer(call: Callable[[], object], place: str = "") -> str | None:
    """How the call was refused. None: it was accepted, written, and is ticked without being marked as broken."""
    with undone():
        began = thread_time()
        try:
            made = call()
        except REFUSALS as refusal:
            assert thread_time() - began < QUICK
            assert _rows_of_jobs_and_schedules() == 0
            return checked(refusal, place)
        _live_with(made)
    return None


def checked(refusal: Exception, place: str) -> str:
    """The message, which is one short line that begins with the place."""
    message = str(refusal)
    assert message.startswith(place)
    assert message.isprintable()
    assert len(message) < LONGEST_MESSAGE
    assert "x" * 101 not in message
    return message


def _rows_of_jobs_and_schedules() -> int:
    """In plain SQL, since it is asked thousands of times."""
    counts = [f"(SELECT COUNT(*) FROM {model._meta.db_table})" for model in (Job, Schedule)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {' + '.join(counts)}")
        return int(cursor.fetchone()[0])


def _live_with(made: object) -> None:
    if isinstance(made, Spec):
        changes.bring_in_line(made, ALIAS, database_now(ALIAS))
    tick(ALIAS, database_now(ALIAS) + timedelta(days=2), Chores())
    assert not Schedule.objects.exclude(broken="").exists()
    assert all(len(str(row)) < LONGEST_MESSAGE for row in (*Schedule.objects.all(), *Occurrence.objects.all()))


# One hostile value for one option


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(entry, id=str(entry), marks=() if entry.name == WRITES_ALL_OPTIONS else pytest.mark.once)
        for entry in ENTRIES
    ],
)
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_whatever_an_option_is_given_it_works_or_is_refused_in_one_line(
    database: None, entry: Entry, value: Any
) -> None:
    for option in entry.options:
        recurrence = {} if option in ("cron", "repeat", "run_at") else {"cron": NIGHTLY}
        given = {**recurrence, option: value}
        answer(lambda given=given: entry.take(given), entry.place)  # type: ignore[misc]


@pytest.mark.once
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_whatever_the_options_of_a_plain_job_are_given_it_works_or_is_refused_in_one_line(
    database: None, value: Any
) -> None:
    for option in CALL_OPTIONS:
        answer(lambda option=option: by_using({option: value}), "report")  # type: ignore[misc]


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_whatever_the_arguments_are_they_are_stored_or_refused_in_one_line(database: None, value: Any) -> None:
    task = plain_task()

    answer(lambda: task(value))
    answer(lambda: task(anything=value))
    answer(lambda: task(value, cron=NIGHTLY))
    answer(lambda: task.enqueue_many([((value,), {})]))
    answer(lambda: task.enqueue_many([(value, value)]))
    answer(lambda: task.enqueue_many([value]))
    answer(lambda: task.enqueue_many(value))


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_whatever_stands_in_the_settings_it_works_or_is_a_problem_in_one_line(database: None, value: Any) -> None:
    answer(lambda: configured(value), "SCHEDULES")
    answer(lambda: configured({"nightly": value}), "SCHEDULES")
    if value.__hash__:
        answer(lambda: configured({value: {"task": "manage:clearsessions", "cron": NIGHTLY}}), "SCHEDULES")
        answer(lambda: by_settings({"cron": NIGHTLY, value: 1}), "SCHEDULES")


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_whatever_is_decorated_is_a_task_or_refused_in_one_line(database: None, value: Any) -> None:
    for decorate in (background(), scheduled(cron=NIGHTLY)):
        answer(lambda decorate=decorate: decorate(value) and None)  # type: ignore[misc]


def test_a_refused_declaration_leaves_no_task_behind(database: None) -> None:
    for options in ({"queue": ""}, {"schedule": -1}, {"cron": "75 * * * *"}, {"remove_existing_tasks": 1}):
        assert answer(lambda options=options: background(**options)(report))  # type: ignore[misc]

    assert list(tasks.registered()) == []
    assert background_tasks() == []


# Texts, where nothing else can be given


TEXTS = {name: value for name, value in HOSTILE.items() if isinstance(value, str)}


@pytest.mark.once
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_whatever_list_schedule_is_asked_it_answers_or_refuses_in_one_line(database: None, text: str) -> None:
    for arguments in (
        [f"--cron={text}"],
        [f"--cron={NIGHTLY}", f"--timezone={text}"],
        [f"--cron={NIGHTLY}", f"--after={text}"],
        [f"--cron={NIGHTLY}", f"--next={text}"],
        [f"--within={text}"],
        [f"--queue={text}"],
        [f"--timezone={text}"],
        ["--", text],
    ):
        answer(lambda arguments=arguments: listed(arguments))  # type: ignore[misc]


def listed(arguments: list[str]) -> None:
    call_command("list_schedule", *arguments, stdout=StringIO())


@pytest.mark.once
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_whatever_is_entered_in_the_admin_works_or_is_an_error_in_one_line(database: None, text: str) -> None:
    tasks.register(tasks.Task(report, "report"))

    for field in ScheduleForm.base_fields:
        recurrence = {} if field in ("cron", "repeat", "run_at") else {"cron": NIGHTLY}
        defaults = model_to_dict(Schedule(), fields=ScheduleForm.base_fields)
        filled = {**defaults, "name": "nightly", "task": "report", **recurrence, field: text}
        answer(lambda filled=filled: entered(filled))  # type: ignore[misc]


def entered(filled: dict[str, Any]) -> object:
    """What the form makes of it; an error of it is raised."""
    form = ScheduleForm({name: value for name, value in filled.items() if value is not None})
    for errors in form.errors.values():
        raise InvalidSchedule(str(errors.as_data()[0].messages[0]))
    return form.spec


# Several at once, drawn


def hostile(name: str) -> Any:
    """The value of that name; by its name, since it may not bear to be shown."""
    return HOSTILE[name]


values = st.recursive(
    st.sampled_from(list(HOSTILE)).map(hostile)
    | st.text(max_size=40)
    | st.text(string.digits + "*/-,#LH? ", max_size=20)
    | st.integers()
    | st.floats()
    | st.binary(max_size=10)
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150)
@given(st.sampled_from(ENTRIES), st.data())
def test_whatever_is_given_at_once_works_or_is_refused_in_one_line(
    database: None, entry: Entry, data: st.DataObject
) -> None:
    given = data.draw(st.dictionaries(st.sampled_from([*entry.options, "repaet"]), values, max_size=4))
    answer(lambda: entry.take(given), entry.place)


# What a refusal says


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cron": "75 1 * * *"}, 'minute 75 is out of range in "75 1 * * *" (0-59'),
        ({"cron": "0 0 31 2 *"}, '"0 0 31 2 *" never occurs.'),
        ({"cron": 5}, "A value of type int is not text, which a recurrence needs here."),
        ({"cron": NIGHTLY, "timezone": "../../etc/passwd"}, '"../../etc/passwd" is not a time zone that is known here'),
        ({"repeat": -1}, "-1 seconds is not an interval: expected 1-"),
        ({"repeat": float("nan")}, "nan is not an interval: expected seconds, a timedelta"),
        ({"run_at": datetime(2026, 7, 1)}, "must be an aware datetime from the year 1970 to 9000."),
        ({"cron": NIGHTLY, "starts_at": "today"}, "starts_at is 'today', but must be an aware datetime from"),
        ({"cron": NIGHTLY, "jitter": 10**6000}, "jitter is a value of type int, but must be a whole number from 0 to"),
        ({"cron": NIGHTLY, "overlap": Rude()}, "overlap is a value of type Rude, but must be one of skip, allow"),
        ({"cron": NIGHTLY, "catch_up": "x" * 10**6}, "…, but must be one of latest, earliest, all, none."),
        ({"cron": NIGHTLY, "dst_gap": None}, "dst_gap is None, but must be one of run, skip."),
        ({"cron": NIGHTLY, "exclude": ["31.12.2026"]}, "exclude has '31.12.2026', which is not a date: give date"),
        ({"cron": NIGHTLY, "verbose_name": "a\x00"}, "verbose_name is 'a\\x00', but must be a text of at most 255"),
        ({"cron": NIGHTLY, "queue": "\n"}, "'\\n' is no queue: give a name of printable characters."),
        ({"cron": NIGHTLY, "priority": "high"}, "'high' is no priority: give a whole number from -100 to 100."),
        ({"cron": NIGHTLY, "enabled": "no"}, "enabled is 'no', but must be True or False."),
        ({"cron": NIGHTLY, "args": "eu"}, "args is 'eu', but must be a list or tuple."),
        ({"cron": NIGHTLY, "kwargs": {1: 2}}, "kwargs is {1: 2}, but must be a dictionary with string keys."),
        ({"cron": NIGHTLY, "args": [Rude()]}, "argument 1 is a value of type Rude (Rude), which is not JSON."),
        ({"cron": NIGHTLY, "task": 7}, 'task is 7, but must be a dotted path such as "shop.tasks.report".'),
        ({"cron": NIGHTLY, "task": "report\n"}, 'task "report\\n" cannot be imported (it is no dotted path).'),
        ({"cron": NIGHTLY, "repaet": 60}, '"repaet" is not an option. Did you mean "repeat"?'),
        ({"cron": NIGHTLY, "repeat": 60}, "give exactly one of cron, repeat and run_at; found cron and repeat."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("take", [by_settings, by_api])
def test_a_refusal_says_what_was_given_and_what_is_expected(
    database: None, take: Callable[[dict[str, Any]], object], options: dict[str, Any], said: str
) -> None:
    message = answer(lambda: take(options))

    assert message is not None
    assert said in message


def test_arguments_that_could_not_be_stored_are_refused_as_such(database: None) -> None:
    with pytest.raises(InvalidArguments, match="argument 1 is nested too deeply, or contains itself"):
        by_call({}) and plain_task()(loop())


@pytest.mark.parametrize(
    "refuse",
    [
        lambda task: task(print),
        lambda task: task.using(repeat=60).enqueue(print),
        lambda task: task.enqueue_many([((print,), {})]),
    ],
    ids=["a call", "a call that repeats", "many calls"],
)
def test_a_refused_argument_names_the_task_that_was_called(
    database: None, refuse: Callable[[Background[..., Any, Any]], object]
) -> None:
    with pytest.raises(
        (InvalidArguments, InvalidSchedule), match=r"^report.*: argument 1 is <built-in function print>"
    ):
        refuse(plain_task())
