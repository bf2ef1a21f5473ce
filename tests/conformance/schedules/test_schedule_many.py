"""`schedule_many`: what `schedule` does for each entry, at once, in a few statements, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules import api, changes, signals
from schedules.api import InvalidSchedule, RevisionConflict
from schedules.changes import Wanted
from schedules.changes.in_line import AT_ONCE
from schedules.models import Occurrence, Schedule, Source
from tests.conformance.model.virtual import ALIAS, spec
from tests.schedules.recurrence.moments import at
from worker import wakeup
from worker.models import Job

pytestmark = pytest.mark.usefixtures("database")

WISHES = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c", "d", "é"])},
    optional={"enabled": st.booleans(), "max_runs": st.integers(1, 3), "queue": st.sampled_from(["mail", "default"])},
).flatmap(
    lambda wish: st.sampled_from(
        [
            {**wish, "cron": "*/7 * * * *"},
            {**wish, "cron": "0 5 * * *", "catch_up": "all"},
            {**wish, "repeat": 60, "args": [1]},
            {**wish, "repeat": 3600},
            {**wish, "run_at": at("09:30")},
            {**wish, "run_at": at("10:30")},
        ]
    )
)
LISTS = st.lists(WISHES, min_size=1, max_size=5, unique_by=lambda wish: wish["name"])


# It is what `schedule` does, once for each


@settings(max_examples=40)
@given(st.lists(LISTS, min_size=1, max_size=3), st.sampled_from([Source.API, Source.SETTINGS]))
def test_rows_ledger_and_jobs_are_those_of_one_by_one(rounds: list[list[dict[str, Any]]], source: Source) -> None:
    def one_by_one(wanted: Sequence[Wanted], hour: str) -> None:
        for each in wanted:
            changes.all_in_line([each], ALIAS, at(hour))

    def at_once(wanted: Sequence[Wanted], hour: str) -> None:
        changes.all_in_line(wanted, ALIAS, at(hour))

    def made(bring: Callable[[Sequence[Wanted], str], None]) -> list[Any]:
        with transaction.atomic():
            for wishes, hour in zip(rounds, ("10:00", "10:45", "11:30"), strict=False):
                bring([Wanted(spec(source=source, **wish)) for wish in wishes], hour)
            stands = _all_that_stands()
            transaction.set_rollback(True)
        return stands

    assert made(at_once) == made(one_by_one)


def test_handles_come_in_the_order_of_the_entries() -> None:
    handles = api.schedule_many(_entries(5, first=3))

    assert [handle.name for handle in handles] == ["s3", "s4", "s5", "s6", "s7"]
    assert [handle.row.args for handle in handles] == [[3], [4], [5], [6], [7]]


def test_what_is_as_it_is_wanted_stays_and_an_operators_pause_too() -> None:
    api.schedule_many(_entries(3))
    api.get("s1").pause("by hand")
    before = dict(Schedule.objects.values_list("name", "revision"))

    api.schedule_many([*_entries(2), {"task": "report", "name": "s2", "repeat": 120}])

    after = dict(Schedule.objects.values_list("name", "revision"))
    assert {name for name in after if after[name] != before[name]} == {"s2"}
    assert api.get("s1").row.status == "paused"


def test_each_that_is_made_or_changed_is_told_of() -> None:
    told: list[tuple[str, str]] = []

    def listen(name: str, change: str, **_: Any) -> None:
        told.append((change, name))

    api.schedule("report", name="s0", repeat=60)
    signals.schedule_changed.connect(listen)
    try:
        api.schedule_many(_entries(3))
    finally:
        signals.schedule_changed.disconnect(listen)

    assert sorted(told) == [("created", "s1"), ("created", "s2"), ("updated", "s0")]


def test_a_dry_run_tells_what_each_would_do_and_does_nothing() -> None:
    api.schedule("report", name="s0", cron="0 5 * * *")
    before = _all_that_stands()

    first, second = api.schedule_many(_entries(2), dry_run=True)

    assert (len(first.before), len(second.before)) == (10, 0)
    assert (len(first.after), len(second.after)) == (10, 10)
    assert _all_that_stands() == before


# All, or nothing


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": "s7", "cron": "75 1 * * *"}, r'schedule_many\[2\] \(name="s7"\): .*minute'),
        ({"name": "s7", "task": "nothing.at.all", "repeat": 60}, r'schedule_many\[2\] \(name="s7"\): task'),
        ({"name": "s7", "repeats": 60}, r'schedule_many\[2\] \(name="s7"\): "repeats" is not an option'),
        ({"repeat": 60}, r"schedule_many\[2\] .*the name"),
        ("s7", r"schedule_many\[2\] is .*, but must be a dictionary"),
        ({"name": "s1", "repeat": 60}, r'schedule_many\[2\] \(name="s1"\): entry 1 has the same name'),
    ],
)
def test_a_bad_entry_is_named_before_the_database_is_asked_for_anything(wrong: Any, told: str) -> None:
    entry = {"task": "report", **wrong} if isinstance(wrong, dict) else wrong

    with CaptureQueriesContext(connection) as asked, pytest.raises(InvalidSchedule, match=told):
        api.schedule_many([*_entries(2), entry])

    assert not asked.captured_queries


def test_where_one_name_is_somebody_elses_nothing_is_written_and_the_entry_is_named() -> None:
    changes.bring_in_line(spec("s1", source=Source.CALL, repeat=60), ALIAS, at("10:00"))

    with pytest.raises(InvalidSchedule, match=r'schedule_many\[1\] \(name="s1"\): s1: .* was made by a call'):
        api.schedule_many(_entries(3))

    assert list(Schedule.objects.values_list("name", "source")) == [("s1", "call")]


def test_where_one_has_been_edited_meanwhile_nothing_is_written_and_the_entry_is_named() -> None:
    stale = api.schedule("report", name="s1", repeat=60).revision
    api.schedule("report", name="s1", repeat=120)

    with pytest.raises(RevisionConflict, match=r'schedule_many\[1\] \(name="s1"\): s1: it was changed'):
        api.schedule_many([{"task": "report", "name": "s0", "repeat": 60}, {**_entry(1), "revision": stale}])

    assert [row.repeat for row in Schedule.objects.all()] == ["120"]


def test_what_the_callers_transaction_takes_back_was_not_made() -> None:
    with transaction.atomic():
        api.schedule_many(_entries(2))
        transaction.set_rollback(True)

    assert not Schedule.objects.exists()


def test_two_callers_at_once_make_one_schedule_of_each_name() -> None:
    for first in range(0, 50, 10):
        entries = _entries(10, first=first)
        made = _at_once(partial(api.schedule_many, entries), partial(api.schedule_many, entries[::-1]))
        assert [len(handles) for handles in made] == [10, 10]

    assert sorted(Schedule.objects.values_list("name", flat=True)) == sorted(f"s{number}" for number in range(50))


# What it costs


def test_many_cost_a_look_and_a_write_for_each_portion() -> None:
    with _statements() as of_one:
        api.schedule_many(_entries(AT_ONCE))
    with _statements() as of_three:
        api.schedule_many(_entries(3 * AT_ONCE, first=AT_ONCE))

    assert len(of_one) <= 6
    assert len(of_three) - len(of_one) == 2 * 2


def test_to_edit_many_costs_a_look_a_lock_and_a_write_for_each_portion() -> None:
    """And a look for jobs that wait in a queue that the schedules had before."""
    api.schedule_many(_entries(AT_ONCE))

    with _statements() as statements:
        api.schedule_many([{**entry, "queue": "mail"} for entry in _entries(AT_ONCE)])

    assert len(statements) <= 7, statements


def test_to_ask_for_what_is_there_already_costs_one_look() -> None:
    api.schedule_many(_entries(AT_ONCE))

    with _statements() as statements:
        api.schedule_many(_entries(AT_ONCE))

    assert len(statements) == 1


@pytest.mark.parametrize(
    "first",
    [{"cron": "0 5 * * *"}, {"cron": "0 5 * * *", "queue": "mail"}, {"repeat": 60}, {"run_at": at("2090-01-01")}],
)
def test_to_make_or_edit_one_schedule_costs_six_statements_at_most(first: dict[str, Any]) -> None:
    """With BEGIN and COMMIT, and what tells the leader of it. One more asks for jobs that wait in a former queue."""
    with _statements() as statements:
        api.schedule("report", name="s", **first)
    assert len(statements) <= 6, statements

    with _statements() as statements:
        api.schedule("report", name="s", cron="0 7 * * *", max_runs=7)
    assert len(statements) <= 6 + ("queue" in first), statements


def _entry(number: int) -> dict[str, Any]:
    return {"task": "report", "name": f"s{number}", "args": [number], "cron": f"{number % 60} 5 * * *"}


def _entries(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [_entry(number) for number in range(first, first + count)]


def _all_that_stands() -> list[Any]:
    """Whatever the keys are, by which nobody knows a schedule."""
    names = dict(Schedule.objects.values_list("pk", "name"))
    columns = [field.attname for field in Schedule._meta.concrete_fields if field.attname != "id"]
    rows = list(Schedule.objects.order_by("name").values_list(*columns))
    lines = Occurrence.objects.values_list(
        "schedule_id", "scheduled_for", "scheduled_until", "count", "outcome", "reason"
    )
    jobs = Job.objects.values_list("schedule_id", "scheduled_for", "state", "task", "arguments", "queue")
    return [rows, *(sorted((names[key or 0], *map(str, rest)) for key, *rest in each) for each in (lines, jobs))]


@contextmanager
def _statements() -> Iterator[list[str]]:
    """The statements of this block, when nobody has been told of anything lately."""
    wakeup.told.forget()
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    found += [each["sql"] for each in captured.captured_queries]


def _at_once(*calls: Callable[[], Any]) -> list[Any]:
    together = Barrier(len(calls), timeout=30)

    def begin(call: Callable[[], Any]) -> Any:
        try:
            connections[ALIAS].ensure_connection()
            together.wait()
            return call()
        finally:
            connections[ALIAS].close()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(begin, calls))
