"""The one check of all that is declared: what is kept of it, and the sentence that refuses what could not work."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from schedules import DAILY
from schedules.models import NAME_LENGTH, Source
from schedules.spec import InvalidSchedule, Spec, spec_of
from tests.schedules.recurrence.moments import at
from worker.tasks import Task


def report() -> None: ...


TASK = Task(report, "report", queue="reports", priority=3, max_attempts=2)


def spec(name: str = "s", *, args: Any = (), kwargs: Any = None, enabled: Any = True, **options: Any) -> Spec:
    return spec_of(
        TASK,
        where="here",
        name=name,
        source=Source.API,
        args=args,
        kwargs=kwargs,
        enabled=enabled,
        options=options,
    )


# What is kept


def test_the_tasks_own_queue_and_priority_are_the_defaults() -> None:
    assert (spec(repeat=60).queue, spec(repeat=60).priority, spec(repeat=60).max_attempts) == ("reports", 3, 2)
    assert (spec(repeat=60, queue="q", priority=0).queue, spec(repeat=60, queue="q", priority=0).priority) == ("q", 0)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"repeat": 3600}, "3600"),
        ({"repeat": timedelta(hours=1)}, "3600"),
        ({"repeat": DAILY}, "86400"),
        ({"repeat": "1 month"}, "1 month"),
        ({"repeat": "2 MONTH"}, "2 months"),
    ],
)
def test_a_repeat_has_one_form_however_it_is_given(given: dict[str, Any], kept: str) -> None:
    assert spec(**given).repeat == kept


@override_settings(SCHEDULER={"TIME_ZONE": "Asia/Kathmandu"})
def test_a_cron_expression_without_a_zone_is_in_the_zone_of_the_options() -> None:
    assert spec(cron="30 2 * * *").timezone == "Asia/Kathmandu"
    assert spec(cron="30 2 * * *", timezone="Europe/Paris").timezone == "Europe/Paris"


@override_settings(TIME_ZONE="Asia/Tokyo")
def test_without_such_an_option_it_is_in_the_zone_of_the_project() -> None:
    assert spec(cron="30 2 * * *").timezone == "Asia/Tokyo"


def test_durations_may_be_seconds_or_timedeltas() -> None:
    given = spec(repeat=60, jitter=timedelta(minutes=1), start_deadline=90, catch_up_window=timedelta(days=1)).policies

    assert (given.jitter, given.start_deadline, given.catch_up_window) == (60, 90, 86_400)


@pytest.mark.parametrize(
    "exclude", [date(2026, 12, 25), "2026-12-25", ["2026-12-25"], {date(2026, 12, 25)}, ("2026-12-25", "2026-12-25")]
)
def test_excluded_dates_may_be_dates_or_texts(exclude: Any) -> None:
    assert spec(repeat=60, exclude=exclude).columns()["exclude"] == "2026-12-25"


def test_arguments_are_kept_as_canonical_json() -> None:
    one, other = spec(repeat=60, kwargs={"b": 1, "a": (2,)}), spec(repeat=60, kwargs={"a": [2], "b": 1})

    assert one.arguments == other.arguments
    assert json.loads(one.arguments) == [[], {"a": [2], "b": 1}]


def test_a_creator_is_kept_as_its_model_and_key() -> None:
    assert spec(repeat=60, creator=User(pk=7)).creator == "auth.User:7"


# What is refused


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give exactly one of cron, repeat and run_at; found none of them."),
        ({"repeat": 0}, "give exactly one of cron, repeat and run_at; found none of them."),
        ({"repeat": 60, "cron": "* * * * *"}, "give exactly one of cron, repeat and run_at; found cron and repeat."),
        ({"repaet": 60}, '"repaet" is not an option. Did you mean "repeat"?'),
        ({"repeat": 60, "zzz": 1}, '"zzz" is not an option. Known: cron, repeat,'),
        ({"cron": "75 1 * * *"}, 'minute 75 is out of range in "75 1 * * *"'),
        ({"cron": "* * *"}, '"* * *" has 3 fields'),
        ({"cron": "0 0 31 2 *"}, '"0 0 31 2 *" never occurs.'),
        ({"cron": 5}, "A value of type int is not text, which a recurrence needs here."),
        ({"cron": "* * * * *", "timezone": "Europe/Pari"}, '"Europe/Pari" is not a time zone'),
        ({"cron": "* * * * *", "dst_gap": "jump"}, "dst_gap is 'jump', but must be one of run, skip."),
        ({"repeat": -1}, "-1 seconds is not an interval"),
        ({"repeat": 0.5}, "0.5 is not an interval: expected seconds, a timedelta of whole seconds, or text"),
        ({"repeat": timedelta(milliseconds=1500)}, "0:00:01.500000 is not an interval"),
        ({"repeat": True}, "is not an interval"),
        ({"repeat": "hourly"}, '"hourly" is not an interval'),
        ({"run_at": datetime(2026, 7, 1)}, "run_at is datetime.datetime(2026, 7, 1, 0, 0), but must be an aware"),
        ({"run_at": "2026-07-01"}, "run_at is '2026-07-01', but must be an aware datetime"),
        ({"repeat": 60, "repeat_until": datetime(2026, 7, 1)}, "repeat_until is datetime.datetime(2026, 7, 1, 0, 0)"),
        ({"repeat": 60, "jitter": timedelta(milliseconds=1)}, "jitter is datetime.timedelta(microseconds=1000), but"),
        ({"repeat": 60, "exclude": "Christmas"}, "exclude has 'Christmas', which is not a date"),
        ({"repeat": 60, "overlap": "cancel_running"}, 'overlap="cancel_running" is not possible'),
        ({"repeat": 60, "queue": "q" * 101}, 'the name of the queue "qqqqqqqqqqqqqqqqqqqq…" has 101 characters'),
        ({"repeat": 60, "queue": ""}, "'' is no queue"),
        ({"repeat": 60, "priority": 101}, "101 is no priority: give a whole number from -100 to 100."),
        ({"repeat": 60, "priority": "high"}, "'high' is no priority"),
        ({"repeat": 60, "verbose_name": "x" * 256}, "verbose_name is 'xxx"),
        ({"repeat": 60, "creator": User()}, "creator is an unsaved auth.User: save it first."),
        ({"repeat": 60, "args": [{1, 2}]}, "argument 1 is {1, 2} (set), which is not JSON."),
        (
            {"repeat": 60, "kwargs": {"who": User(pk=1)}},
            'argument "who" is a model instance (User), whose row may have changed',
        ),
        (
            {"repeat": 60, "args": [{"at": [object]}]},
            "argument 1['at'][0] is <class 'object'> (type), which is not JSON.",
        ),
        ({"repeat": 60, "enabled": "yes"}, "enabled is 'yes', but must be True or False."),
    ],
    ids=str,
)
def test_what_could_not_work_is_refused_in_a_sentence_that_opens_with_the_place(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        spec(**given)

    assert str(refused.value).startswith("here: ")
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["", " ", "x" * (NAME_LENGTH + 1), "a\nb", "a\0b", 7, None])
def test_a_name_that_will_not_do_is_refused(name: Any) -> None:
    with pytest.raises(InvalidSchedule, match=r"^here: the name .* cannot be used: give 1 to 255 printable characters"):
        spec(name, repeat=60)


def test_instants_in_another_zone_are_the_same_instants() -> None:
    paris = datetime.fromisoformat("2026-07-01T12:00:00+02:00")

    assert spec(run_at=paris).run_at == datetime(2026, 7, 1, 10, 0, tzinfo=UTC)


# Limits that leave nothing

JULY, AUGUST = at("07-01 00:00"), at("08-01 00:00")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"repeat": 60, "starts_at": AUGUST, "repeat_until": JULY},
            ["starts_at is 2026-08-01", "repeat_until is 2026-07-01"],
        ),
        ({"cron": "@daily", "starts_at": AUGUST, "repeat_until": JULY}, ["starts_at is", "repeat_until is"]),
        ({"cron": "0 0 1 1 *", "starts_at": JULY, "repeat_until": AUGUST}, ["starts_at is", "repeat_until is"]),
        ({"run_at": JULY, "starts_at": AUGUST}, ["run_at is 2026-07-01", "starts_at is"]),
        ({"run_at": AUGUST, "repeat_until": JULY}, ["run_at is", "repeat_until is"]),
        ({"run_at": AUGUST, "exclude": ["2026-08-01"]}, ["run_at is", "exclude is 2026-08-01"]),
        ({"repeat": 60, "first_run": AUGUST, "repeat_until": JULY}, ["first_run is", "repeat_until is"]),
        (
            {
                "repeat": 60,
                "starts_at": at("07-01 12:00"),
                "repeat_until": at("07-02 12:00"),
                "exclude": ["2026-07-01", "2026-07-02"],
            },
            ["starts_at is", "repeat_until is", "exclude is 2026-07-01 2026-07-02"],
        ),
    ],
)
def test_limits_that_leave_nothing_are_refused_and_named(given: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(InvalidSchedule, match=r"^here: the schedule would never run: ") as refused:
        spec(**given)

    for each in told:
        assert each in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        {"repeat": 60, "starts_at": JULY, "repeat_until": JULY},
        {"run_at": JULY, "starts_at": JULY, "repeat_until": JULY},
        {"repeat": 60, "repeat_until": at("2020-01-01 00:00")},
        {"cron": "0 0 25 12 *", "exclude": ["2026-12-25"], "starts_at": JULY},
    ],
    ids=str,
)
def test_limits_that_leave_something_are_taken(given: dict[str, Any]) -> None:
    spec(**given)


@pytest.mark.parametrize("first_run", ["nonsense", "2026-13-01", 7, datetime(2026, 7, 1), "1960-01-01 00:00"])
def test_a_first_run_that_is_no_instant_is_refused_and_told_how(first_run: Any) -> None:
    with pytest.raises(InvalidSchedule, match=r"^here: first_run is .* but must be .* \"2026-07-02 03:00\"\.$"):
        spec(repeat=60, first_run=first_run)


def test_a_first_run_of_what_has_instants_of_its_own_is_refused_and_starts_at_named() -> None:
    with pytest.raises(InvalidSchedule, match=r"^here: first_run goes with repeat only: .* give starts_at\.$"):
        spec(cron="@daily", first_run=JULY)
