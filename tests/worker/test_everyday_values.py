"""Everyday values that JSON has not come back as what they were; what cannot is refused with what to write instead."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import pytz
from django.contrib.auth.models import User
from django.utils.functional import SimpleLazyObject
from hypothesis import given
from hypothesis import strategies as st

from worker.arguments import InvalidArguments, as_json, decode, encode, encode_each, from_json, stored_json
from worker.parameters import Parameters

PARIS = ZoneInfo("Europe/Paris")
ZONES = ["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Monrovia", "Asia/Kathmandu"]


def in_first_pass(reading: Any) -> Any:
    return reading.replace(fold=0)


offsets = st.integers(-23 * 3600, 23 * 3600).map(lambda seconds: timezone(timedelta(seconds=seconds)))
instants = st.builds(
    lambda reading, fold: reading.replace(fold=fold),
    st.datetimes(timezones=st.sampled_from(ZONES).map(ZoneInfo) | offsets | st.just(UTC)),
    st.sampled_from([0, 1]),
)
everyday = st.one_of(
    *(st.datetimes().map(in_first_pass), instants, st.dates(), st.times().map(in_first_pass)),
    *(st.timedeltas(), st.uuids(), st.decimals(allow_nan=False, allow_infinity=False)),
)
names = st.text(max_size=3) | st.sampled_from(["$", "$date", "$datetime", "$other"])
values = st.recursive(
    everyday | st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=2),
    max_leaves=8,
)


@given(st.lists(values, max_size=3), st.dictionaries(names, values, max_size=2))
def test_everyday_values_come_back_as_what_they_were(args: list[Any], kwargs: dict[str, Any]) -> None:
    text = encode(args, kwargs)

    came = decode(text)
    assert came == (args, kwargs)
    assert told([*came]) == told([args, kwargs])
    assert encode(*came) == text
    assert from_json(*stored_json(text)) == came
    assert encode_each([as_json(args, kwargs), as_json([], {})]) == [text, "[[],{}]"]


def told(value: Any) -> Any:
    """All of it that `==` does not compare: its class, how many digits, the zone and its offset."""
    match value:
        case list():
            return [told(each) for each in value]
        case dict():
            return {name: told(each) for name, each in value.items()}
        case datetime():
            return (datetime, value.isoformat(), getattr(value.tzinfo, "key", None))
    return (type(value), str(value))


@pytest.mark.parametrize(
    ("value", "as_stored"),
    [
        (datetime(2026, 7, 2, 3, 0), {"$datetime": "2026-07-02T03:00:00"}),
        (datetime(2026, 7, 2, 3, 0, tzinfo=UTC), {"$datetime": "2026-07-02T03:00:00+00:00"}),
        (datetime(2026, 7, 2, 3, 0, tzinfo=PARIS), {"$datetime": "2026-07-02T03:00:00+02:00[Europe/Paris]"}),
        (datetime(2026, 3, 29, 2, 30, tzinfo=PARIS), {"$datetime": "2026-03-29T02:30:00+01:00[Europe/Paris]"}),
        (datetime(2026, 10, 25, 2, 30, tzinfo=PARIS), {"$datetime": "2026-10-25T02:30:00+02:00[Europe/Paris]"}),
        (datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=1), {"$datetime": "2026-10-25T02:30:00+01:00[Europe/Paris]"}),
        (date(2026, 12, 24), {"$date": "2026-12-24"}),
        (time(18, 0, 0, 1), {"$time": "18:00:00.000001"}),
        (timedelta(days=1, hours=12), {"$timedelta": "P1DT12H00M00S"}),
        (timedelta(microseconds=-1), {"$timedelta": "-P0DT00H00M00.000001S"}),
        (UUID(int=7), {"$uuid": "00000000-0000-0000-0000-000000000007"}),
        (Decimal("19.90"), {"$decimal": "19.90"}),
        ({"$date": "2026-12-24"}, {"$": {"$date": "2026-12-24"}}),
        ({"$": {}}, {"$": {"$": {}}}),
        ({"$date": "2026-12-24", "more": 1}, {"$date": "2026-12-24", "more": 1}),
    ],
    ids=str,
)
def test_what_is_stored_says_what_it_is(value: Any, as_stored: Any) -> None:
    text = encode([value], {"name": value})

    assert json.loads(text) == [[as_stored], {"name": as_stored}]
    assert [told(each) for each in decode(text)[0]] == [told(value)]


def test_plain_values_are_stored_as_before() -> None:
    assert encode(["$5.00", {"a": 1, "$b": 2}], {"$date": "2026"}) == '[["$5.00",{"$b":2,"a":1}],{"$date":"2026"}]'
    assert decode('[["$5.00",{"$b":2,"a":1}],{"$date":"2026"}]') == (["$5.00", {"a": 1, "$b": 2}], {"$date": "2026"})


class Birthday(date):
    """A class of somebody's own."""


class Rounded(Decimal):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rounded)

    __hash__ = Decimal.__hash__


def test_a_value_of_a_class_of_ones_own_is_stored_as_what_it_equals() -> None:
    (came,), _ = decode(encode([Birthday(2026, 12, 24)], {}))

    assert (type(came), came) == (date, date(2026, 12, 24))
    with pytest.raises(
        InvalidArguments, match=r"argument 1 is .* \(Rounded\), but would be stored as Decimal\('1.5'\)"
    ):
        encode([Rounded("1.5")], {})


def test_where_a_zone_has_changed_meanwhile_the_instant_stays() -> None:
    (came,), _ = decode('[[{"$datetime":"2026-07-02T03:00:00+05:00[Europe/Paris]"}],{}]')

    assert came.isoformat() == "2026-07-02T00:00:00+02:00"
    assert came.tzinfo is PARIS


# Equality of calls


def remind(when: Any, until: Any = date(2026, 12, 24), *, price: Decimal = Decimal("1.50")) -> None: ...


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ([UUID(int=7)], {}),
        ([UUID(int=7), date(2026, 12, 24)], {}),
        ([], {"until": date(2026, 12, 24), "when": UUID(int=7)}),
        ([UUID(int=7)], {"price": Decimal("1.50")}),
    ],
)
def test_equal_calls_mean_the_same_however_they_are_spelled(args: list[Any], kwargs: dict[str, Any]) -> None:
    meaning = Parameters(remind, "remind(…)").meaning

    assert meaning(encode(args, kwargs)) == encode([UUID(int=7)], {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (date(2026, 12, 24), "2026-12-24"),
        (date(2026, 12, 24), datetime(2026, 12, 24)),
        (Decimal("1.5"), 1.5),
        (Decimal("1.5"), Decimal("1.50")),
        (datetime(2026, 12, 24, tzinfo=UTC), datetime(2026, 12, 24, 1, tzinfo=PARIS)),
        (date(2026, 12, 24), {"$date": "2026-12-24"}),
    ],
    ids=str,
)
def test_calls_of_which_a_task_would_see_the_difference_are_not_equal(one: Any, other: Any) -> None:
    assert encode([one], {}) != encode([other], {})


# What is refused


class Shade(Enum):
    DARK = "dark"
    MIXED = (1, 2)


class Odd:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("nobody knows")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            User(pk=7),
            "a model instance (User), whose row may have changed when the task runs. Pass it.pk, and load it in the ",
        ),
        (User(pk=7), "in the task: User.objects.get(pk=…)."),
        (SimpleLazyObject(lambda: User(pk=7)), "a model instance (User), whose row may have changed"),
        (
            User.objects.filter(pk=7),
            'list(it.values_list("pk", flat=True)), and load them in the task: User.objects.fil',
        ),
        (b"x", "Pass base64.b64encode(it).decode(), and call base64.b64decode(…) in the task."),
        (memoryview(b"x"), "Pass base64.b64encode(it).decode()"),
        ({1}, "Pass sorted(it), and call set(…) in the task."),
        (frozenset({1}), "Pass sorted(it)"),
        ({1: "one"}, "Its keys must be strings: pass {str(key): each for key, each in it.items()}."),
        (Shade.DARK, "Pass it.value, and write Shade(…) in the task."),
        (Shade.MIXED, "Pass it.name, and write Shade[…] in the task."),
        (float("nan"), "It is not a finite number: pass None, or a text."),
        (Decimal("Infinity"), "It is not a finite number"),
        (Decimal("NaN"), "It is not a finite number"),
        (pytz.timezone("Europe/Paris").localize(datetime(2026, 7, 2)), "pass it.astimezone(datetime.timezone.utc)."),
        (datetime(2026, 7, 2, tzinfo=timezone(timedelta(microseconds=1))), "nor an offset of whole seconds: pass it"),
        (datetime(2026, 7, 2, fold=1), "pass it.replace(fold=0), or an aware datetime."),
        (time(3, tzinfo=UTC), "Pass it.replace(tzinfo=None, fold=0), and the name of its zone as another argument."),
        (
            object,
            "which is not JSON. Pass strings, numbers, booleans, None, dates, times, timedelta, UUID, Decimal, li",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_refusal_says_what_to_write_instead(value: Any, told: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        encode([], {"it": value}, "remind(…)")

    assert str(refused.value).startswith('remind(…): argument "it" is ')
    assert told in str(refused.value)


def test_a_value_that_fails_whoever_looks_at_it_is_refused() -> None:
    for value in (Odd(), SimpleLazyObject(lambda: 1 / 0)):
        with pytest.raises(InvalidArguments, match=r"argument 1 is .* which is not JSON"):
            encode([value], {})


def test_a_model_within_a_list_is_refused_by_the_name_of_its_class() -> None:
    with pytest.raises(InvalidArguments, match=r"argument 1\[0\] is a model instance \(User\), .* Pass user\.pk"):
        encode([[User(pk=7)]], {})


# What somebody else has written


@pytest.mark.parametrize(
    "tag",
    [
        {"$date": "tomorrow"},
        {"$date": 20261224},
        {"$date": None},
        {"$datetime": "2026-07-02T03:00:00[Europe/Paris]"},
        {"$datetime": "2026-07-02T03:00:00+02:00[../../etc/passwd]"},
        {"$datetime": "2026-07-02T03:00:00+02:00[os.system]"},
        {"$datetime": "2026-07-02T03:00:00+02:00[]"},
        {"$datetime": "2026-07-02T03:00:00+02:00[\x00]"},
        {"$datetime": "0001-01-01T00:00:00+12:00[Europe/Paris]"},
        {"$time": "25:00"},
        {"$timedelta": "P"},
        {"$timedelta": "P999999999DT999999H"},
        {"$timedelta": "1 day"},
        {"$uuid": "7"},
        {"$uuid": ["7"]},
        {"$decimal": "NaN"},
        {"$decimal": "1e9999999999999999999999"},
        {"$decimal": "much"},
        {"$": 1},
        {"$enum": "os.system"},
        {"$os.system": "true"},
    ],
    ids=str,
)
def test_a_tag_that_was_not_written_here_is_refused_with_its_place(tag: Any) -> None:
    for text in (json.dumps([[[tag]], {}]), json.dumps([[{"deep": tag}], {}]), json.dumps([[tag], {}])):
        with pytest.raises(
            InvalidArguments, match=r'read: argument 1: "\$.*" (holds .*, but must hold a text|is not a kind of)'
        ):
            decode(text)
    with pytest.raises(InvalidArguments, match=r'^argument "name": "\$'):
        from_json([], {"name": tag})


def test_tags_within_each_other_without_end_are_refused() -> None:
    deep = 5_000
    with pytest.raises(InvalidArguments):
        decode(f'[[{"[" * deep}{{"$date":"2026-12-24"}}{"]" * deep}],{{}}]')
