"""Arguments as JSON: what goes in comes out the same, and what would not is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import IntEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.arguments import InvalidArguments, decode, encode, encode_each
from worker.models import JobState

text = st.text(st.characters(exclude_categories=()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda values: st.lists(values) | st.dictionaries(text, values),
)


class Colour(IntEnum):
    RED = 1


class Point(NamedTuple):
    x: int


@given(st.lists(json_values), st.dictionaries(text, json_values))
def test_arguments_come_back_as_they_were(args: list[Any], kwargs: dict[str, Any]) -> None:
    encoded = encode(args, kwargs)

    assert decode(encoded) == (args, kwargs)
    assert encoded.isascii()
    assert encoded.isprintable()


hostile_texts = st.sampled_from([',["",Infinity],', '["",Infinity]', '["', '",Infinity],', "\\", '"', "Infinity"])
hostile = hostile_texts | st.sampled_from([["", "Infinity"], [""], "", [], {}])


@given(
    st.lists(
        st.tuples(st.lists(json_values | hostile), st.dictionaries(text | hostile_texts, json_values | hostile)),
        max_size=5,
    )
)
def test_many_calls_at_once_give_the_same_texts(calls: list[tuple[list[Any], dict[str, Any]]]) -> None:
    assert encode_each(calls) == [encode(*call) for call in calls]


def test_equal_calls_give_equal_texts() -> None:
    assert encode((1, {"b": 1, "a": 2}), {"z": 1, "y": 2}) == encode([1, {"a": 2, "b": 1}], {"y": 2, "z": 1})
    assert encode((), {}) == "[[],{}]"


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), ("1", 1), ("a", "A"), (None, ""), ([], {})])
def test_unequal_calls_give_unequal_texts(one: Any, other: Any) -> None:
    assert encode([one], {}) != encode([other], {})


@pytest.mark.parametrize(
    ("args", "kwargs", "place"),
    [
        ([1, {1, 2}], {}, "argument 2 is {1, 2}, which is not JSON."),
        ([], {"price": Decimal("1.5")}, "argument \"price\" is Decimal('1.5') (Decimal), which is not JSON."),
        ([[0, [b"x"]]], {}, "argument 1[1][0] is b'x' (bytes), which is not JSON."),
        ([], {"a": {"b": [object]}}, "argument \"a\"['b'][0] is <class 'object'> (type), which is not JSON."),
        ([float("nan")], {}, "argument 1 is nan (float), which is not JSON."),
        ([{"x": float("-inf")}], {}, "argument 1['x'] is -inf (float), which is not JSON."),
        ([{1: "one"}], {}, "argument 1 is {1: 'one'} (dict), which is not JSON."),
        ([Colour.RED], {}, "argument 1 is <Colour.RED: 1> (Colour), which is not JSON."),
        ([JobState.READY], {}, "argument 1 is JobState.READY (JobState), which is not JSON."),
        ([Point(1)], {}, "argument 1 is Point(x=1) (Point), which is not JSON."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_json_would_change_is_refused_with_its_place(args: list[Any], kwargs: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        encode(args, kwargs)

    message = str(refused.value)
    assert place.split(" is ")[0] == message.split(" is ")[0]
    assert "which is not JSON. Pass strings, numbers, booleans, None, lists and dictionaries" in message
    assert "for a model, its primary key" in message


def test_a_refusal_stays_short_whatever_it_is_about() -> None:
    with pytest.raises(InvalidArguments) as refused:
        encode([{"x" * 10_000}], {})

    assert len(str(refused.value)) < 400


def test_arguments_that_contain_themselves_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(InvalidArguments, match="argument 1"):
        encode([endless], {})


def test_a_number_too_long_to_be_written_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="argument 1"):
        encode([10**5000], {})


def test_a_tuple_becomes_a_list() -> None:
    assert json.loads(encode([(1, (2,))], {})) == [[[1, [2]]], {}]
