"""`settings.SCHEDULER`: every option, what it is without being given, and what is said of a bad value."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from worker.options import Options, options, problems

DEFAULTS: dict[str, Any] = {
    "DATABASE": "default",
    "TIME_ZONE": "",
    "THREADS": 4,
    "BATCH_SIZE": 1000,
    "GRACE": 30.0,
    "HEARTBEAT": 5.0,
    "RESCUE_AFTER": 20.0,
    "MAX_ATTEMPTS": 12,
    "BACKOFF": 15.0,
    "FAILURES_WITHIN": timedelta(days=1),
    "FAILURES_ALLOWED": 0,
    "KEEP_FINISHED": timedelta(days=30),
    "KEEP_FAILED": None,
    "KEEP_LEDGER": timedelta(days=90),
    "LOCK": "auto",
    "WAKEUP": "auto",
    "HIDE": ("API", "AUTH", "TOKEN", "KEY", "SECRET", "PASS", "SIGNATURE", "HTTP_COOKIE"),
    "CARRY": (),
    "CODEC": None,
}
COUNT = "a whole number from 1 to 10000"
PERIOD = "a positive timedelta"
GOOD: list[tuple[str, Any]] = [
    ("DATABASE", "default"),
    ("TIME_ZONE", "Europe/Riga"),
    *((name, value) for name in ("THREADS", "BATCH_SIZE", "MAX_ATTEMPTS") for value in (1, 10_000)),
    ("GRACE", 0),
    ("GRACE", 0.5),
    ("GRACE", 86_400),
    ("HEARTBEAT", 0.1),
    ("RESCUE_AFTER", 86_400),
    ("BACKOFF", 0),
    ("BACKOFF", [1, 10, 60]),
    ("FAILURES_WITHIN", timedelta(hours=1)),
    *(("FAILURES_ALLOWED", value) for value in (0, 1_000_000)),
    ("KEEP_FINISHED", timedelta(seconds=1)),
    ("KEEP_FAILED", timedelta(days=30)),
    ("KEEP_FAILED", None),
    ("KEEP_LEDGER", timedelta(days=36_500)),
    *(("LOCK", value) for value in ("auto", "session", "transaction")),
    *(("WAKEUP", value) for value in ("auto", "notify", "poll")),
    *(("HIDE", value) for value in ([], ["token"], ("^pin$", "PASS"))),
    *(("CARRY", value) for value in ([], ["worker.carry.Language"], (object(),))),
    *(("CODEC", value) for value in (None, "shop.security.Codec")),
]
BAD: list[tuple[str, Any, str]] = [
    ("DATABASE", "elsewhere", "one of the aliases in DATABASES (default)"),
    ("DATABASE", None, "one of the aliases in DATABASES (default)"),
    ("DATABASE", [], "one of the aliases in DATABASES (default)"),
    ("TIME_ZONE", None, "the name of a time zone"),
    *((name, value, COUNT) for name in ("THREADS", "BATCH_SIZE", "MAX_ATTEMPTS") for value in (0, -1, 10_001)),
    *((name, value, COUNT) for name in ("THREADS", "BATCH_SIZE", "MAX_ATTEMPTS") for value in (True, 4.0, "4", None)),
    ("GRACE", -1, "a number of seconds from 0 to 86400"),
    ("GRACE", "30", "a number of seconds from 0 to 86400"),
    ("GRACE", True, "a number of seconds from 0 to 86400"),
    ("GRACE", timedelta(seconds=30), "a number of seconds from 0 to 86400"),
    ("GRACE", float("nan"), "a number of seconds from 0 to 86400"),
    ("HEARTBEAT", 0, "a number of seconds from 0.1 to 86400"),
    ("HEARTBEAT", 86_401, "a number of seconds from 0.1 to 86400"),
    ("RESCUE_AFTER", 0.1, "a number of seconds from 0.4 to 86400"),
    ("BACKOFF", -1, "a number of seconds, or a list of them"),
    ("BACKOFF", [], "a number of seconds, or a list of them"),
    ("BACKOFF", "15", "a number of seconds, or a list of them"),
    ("FAILURES_WITHIN", 3600, PERIOD),
    *(("FAILURES_ALLOWED", value, "a whole number from 0 to 1000000") for value in (-1, 1.5, None)),
    ("KEEP_FINISHED", timedelta(0), PERIOD),
    ("KEEP_FINISHED", 30, PERIOD),
    *(("KEEP_FAILED", value, f"{PERIOD}, or None") for value in (timedelta(0), timedelta(days=-1), 90, "", 0, False)),
    ("KEEP_LEDGER", timedelta(days=-1), PERIOD),
    ("KEEP_LEDGER", None, PERIOD),
    ("LOCK", "AUTO", 'one of "auto", "session", "transaction"'),
    ("LOCK", [], 'one of "auto", "session", "transaction"'),
    ("WAKEUP", "listen", 'one of "auto", "notify", "poll"'),
    *(("HIDE", value, "a list of regular expressions") for value in (None, "token", [7], ["("], {"token"})),
    *(
        ("CARRY", value, 'a list of carriers, such as ["worker.carry.Language"]')
        for value in (None, "worker.carry.Language", {"worker.carry.Language"}, [None], [""])
    ),
    ("CODEC", "", 'a dotted path, such as "shop.security.Codec", or an object'),
]


def test_without_settings_every_option_has_its_default(settings: Settings) -> None:
    del settings.SCHEDULER

    assert {field.name: getattr(options(), field.name) for field in fields(Options)} == DEFAULTS
    assert list(problems()) == []


@pytest.mark.parametrize(("name", "value"), GOOD, ids=repr)
def test_a_good_value_is_taken_as_it_is(settings: Settings, name: str, value: Any) -> None:
    settings.SCHEDULER = {name: value}

    assert list(problems()) == []
    assert getattr(options(), name) == value


@pytest.mark.parametrize(("name", "value", "expected"), BAD, ids=repr)
def test_a_bad_value_is_refused_with_what_is_expected(settings: Settings, name: str, value: Any, expected: str) -> None:
    settings.SCHEDULER = {name: value}

    assert list(problems()) == [f'SCHEDULER["{name}"] is {value!r}, but must be {expected}.']
    with pytest.raises(ImproperlyConfigured, match=name):
        options()


def test_good_and_bad_values_were_tried_for_every_option() -> None:
    names = {field.name for field in fields(Options)}

    assert {name for name, _ in GOOD} == names
    assert {name for name, _, _ in BAD} == names


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TREADS", 'Did you mean "THREADS"?'),
        ("threads", "Known: DATABASE, "),
        ("HEART_BEAT", 'Did you mean "HEARTBEAT"?'),
        ("RESCUE", 'Did you mean "RESCUE_AFTER"?'),
        ("COLOUR", "Known: DATABASE, TIME_ZONE, THREADS, "),
        (7, "Known: DATABASE, "),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_known(settings: Settings, name: Any, hint: str) -> None:
    settings.SCHEDULER = {name: 4}

    (problem,) = problems()
    assert problem.startswith(f'SCHEDULER["{name}"] is not an option. {hint}')
    with pytest.raises(ImproperlyConfigured, match="is not an option"):
        options()


@pytest.mark.parametrize("given", [[], "THREADS", None, 4, ("THREADS", 4)], ids=repr)
def test_what_is_no_dictionary_is_refused(settings: Settings, given: Any) -> None:
    settings.SCHEDULER = given

    assert list(problems()) == [f"SCHEDULER is {given!r}, but must be a dictionary of options."]


@pytest.mark.parametrize(
    "given",
    [{"KEEP_FAILED": timedelta(days=29)}, {"KEEP_FAILED": timedelta(days=90), "KEEP_FINISHED": timedelta(days=91)}],
)
def test_failed_jobs_are_not_kept_for_less_than_others(settings: Settings, given: dict[str, Any]) -> None:
    settings.SCHEDULER = given

    (problem,) = problems()
    assert "must be at least KEEP_FINISHED" in problem


def test_failed_jobs_are_kept_as_long_as_others_unless_more_is_said(settings: Settings) -> None:
    settings.SCHEDULER = {"KEEP_FINISHED": timedelta(days=7)}
    assert options().keep_failed == timedelta(days=7)
    settings.SCHEDULER = {"KEEP_FAILED": timedelta(days=90)}
    assert options().keep_failed == timedelta(days=90)


@pytest.mark.parametrize(
    ("given", "told", "remedy"),
    [
        (
            {"HEARTBEAT": 5, "RESCUE_AFTER": 19.9},
            "is 19.9 s",
            "Set RESCUE_AFTER to 20 or more, or HEARTBEAT to 4.975 or less.",
        ),
        ({"HEARTBEAT": 11}, "is 20 s", "Set RESCUE_AFTER to 44 or more, or HEARTBEAT to 5 or less."),
        ({"RESCUE_AFTER": 9}, "is 9 s", "Set RESCUE_AFTER to 20 or more, or HEARTBEAT to 2.25 or less."),
    ],
    ids=repr,
)
def test_silence_counts_only_after_four_heartbeats(
    settings: Settings, given: dict[str, Any], told: str, remedy: str
) -> None:
    settings.SCHEDULER = given

    (problem,) = problems()
    heartbeat = given.get("HEARTBEAT", 5)
    assert problem.startswith(
        f'SCHEDULER["RESCUE_AFTER"] {told}, but must be at least four times HEARTBEAT ({heartbeat} s)'
    )
    assert problem.endswith(remedy)


@pytest.mark.parametrize("heartbeat", [0.1, 0.3, 5, 7.7])
def test_four_heartbeats_are_enough(settings: Settings, heartbeat: float) -> None:
    settings.SCHEDULER = {"HEARTBEAT": heartbeat, "RESCUE_AFTER": 4 * heartbeat}

    assert list(problems()) == []


def test_every_fault_is_told_at_once(settings: Settings) -> None:
    settings.SCHEDULER = {"TREADS": 4, "GRACE": -1, "HEARTBEAT": "x", "RESCUE_AFTER": 1}

    assert len(list(problems())) == 3


def test_the_zone_of_cron_is_the_projects_unless_an_option_says_otherwise(settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Paris"
    assert Options().time_zone == "Europe/Paris"
    assert Options(TIME_ZONE="Europe/Riga").time_zone == "Europe/Riga"
