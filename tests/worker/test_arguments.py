"""Arguments as JSON: what goes in comes out the same, and what would not is refused."""

from __future__ import annotations

import json
import string
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterator
from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple

import pytest
from django.db.models import IntegerChoices
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from worker.arguments import InvalidArguments, as_json, decode, encode, encode_each
from worker.models import JobState

text = st.text(st.characters(exclude_categories=()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda values: st.lists(values) | st.dictionaries(text, values),
)


class Colour(IntEnum):
    RED = 1


class Region(StrEnum):
    EU = "eu"


class Shade(Enum):
    DARK = "dark"


class Level(IntegerChoices):
    HIGH = 3, "high"


class Point(NamedTuple):
    x: int


class Odd:
    """Shows itself as something else."""

    def __str__(self) -> str:
        return "something else"

    __repr__ = __str__


class OddText(Odd, str):
    __slots__ = ()


class OddNumber(Odd, int):
    __slots__ = ()


class OddFraction(Odd, float):
    __slots__ = ()


class OddList(Odd, list[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(["something else"])


class OddDict(Odd, dict[str, Any]):
    def items(self) -> Any:
        return {"something": "else"}.items()


class Contrary(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


class Grudging(int):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")

    __hash__ = int.__hash__


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
    assert encode_each([as_json(*call) for call in calls]) == [encode(*call) for call in calls]


def test_equal_calls_give_equal_texts() -> None:
    assert encode((1, {"b": 1, "a": 2}), {"z": 1, "y": 2}) == encode([1, {"a": 2, "b": 1}], {"y": 2, "z": 1})
    assert encode((), {}) == "[[],{}]"


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), ("1", 1), ("a", "A"), (None, ""), ([], {})])
def test_unequal_calls_give_unequal_texts(one: Any, other: Any) -> None:
    assert encode([one], {}) != encode([other], {})


@pytest.mark.parametrize(
    ("args", "kwargs", "place"),
    [
        ([1, {1, 2}], {}, "argument 2 is {1, 2} (set), which is not JSON."),
        ([], {"price": 1.5j}, 'argument "price" is 1.5j (complex), which is not JSON.'),
        ([[0, [b"x"]]], {}, "argument 1[1][0] is b'x' (bytes), which is not JSON."),
        ([], {"a": {"b": [object]}}, "argument \"a\"['b'][0] is <class 'object'> (type), which is not JSON."),
        ([float("nan")], {}, "argument 1 is nan (float), which is not JSON."),
        ([{"x": float("-inf")}], {}, "argument 1['x'] is -inf (float), which is not JSON."),
        ([{1: "one"}], {}, "argument 1 is {1: 'one'} (dict), which is not JSON."),
        ([Shade.DARK], {}, "argument 1 is <Shade.DARK: 'dark'> (Shade), which is not JSON."),
        ([SimpleLazyObject(lambda: "eu")], {}, "argument 1 is <SimpleLazyObject: 'eu'> (str), which is not JSON."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_json_would_change_is_refused_with_its_place(args: list[Any], kwargs: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        encode(args, kwargs)

    message = str(refused.value)
    assert place.split(" is ")[0] == message.split(" is ")[0]
    assert place in message


# Values of other classes


SAME = [
    (SafeString("<b>"), "<b>"),
    (JobState.READY, "ready"),
    (Level.HIGH, 3),
    (Colour.RED, 1),
    (Region.EU, "eu"),
    (OddText("eu"), "eu"),
    (OddNumber(7), 7),
    (OddFraction(2.5), 2.5),
    (OddList([1, OddNumber(2)]), [1, 2]),
    (OddDict(a=OddText("b")), {"a": "b"}),
    (Point(1), [1]),
    (OrderedDict(b=1, a=2), {"a": 2, "b": 1}),
    (defaultdict(list, a=[1]), {"a": [1]}),
    (Counter("aab"), {"a": 2, "b": 1}),
    ({OddText("b"): 1, "a": SafeString("c")}, {"a": "c", "b": 1}),
    ([[{"deep": (SafeString("c"),)}]], [[{"deep": ["c"]}]]),
]


@pytest.mark.parametrize(("value", "plain"), SAME, ids=lambda value: type(value).__name__)
def test_a_value_of_another_class_is_stored_as_the_plain_value_that_it_equals(value: Any, plain: Any) -> None:
    text = encode([plain], {"name": plain})

    assert encode([value], {"name": value}) == text
    assert encode_each([as_json([value], {"name": value}), as_json([], {})]) == [text, "[[],{}]"]
    assert encode([], {OddText("name"): value}) == encode([], {"name": plain})


@given(st.lists(json_values), st.dictionaries(text, json_values))
def test_classes_make_no_difference_to_what_is_stored(args: list[Any], kwargs: dict[str, Any]) -> None:
    assert encode(dressed(args), dressed(kwargs)) == encode(args, kwargs)


def dressed(value: Any) -> Any:
    """The same in classes of somebody's own."""
    match value:
        case bool() | None:
            return value
        case dict():
            return OddDict({OddText(name): dressed(each) for name, each in value.items()})
        case list():
            return OddList([dressed(each) for each in value])
    return {str: OddText, int: OddNumber, float: OddFraction}[type(value)](value)


@pytest.mark.parametrize("value", [Contrary("eu"), Grudging(7), [Contrary("eu")], {"a": Grudging(7)}], ids=repr)
def test_a_value_that_would_come_back_as_another_is_refused(value: Any) -> None:
    with pytest.raises(
        InvalidArguments, match=r"argument 1.* is .*, but would be stored as .*, which is not equal to it"
    ):
        encode([value], {})


@pytest.mark.parametrize("value", [{Contrary("eu"): 1}, {7: 1}, {OddNumber(7): 1}], ids=repr)
def test_keys_that_would_come_back_as_others_are_refused(value: Any) -> None:
    with pytest.raises(InvalidArguments, match=r"^argument 1 is .*, which is not JSON"):
        encode([value], {})
    with pytest.raises(InvalidArguments, match=r"^kwargs is .*, but must be a dictionary with string keys"):
        encode([], value)


@pytest.mark.parametrize(
    "value", [OddFraction("nan"), OddFraction("inf"), OddNumber(10**5000)], ids=["nan", "inf", "long"]
)
def test_what_json_has_not_is_refused_in_any_class(value: Any) -> None:
    with pytest.raises(InvalidArguments, match=r"^argument 1 is "):
        encode([value], {})


@pytest.mark.parametrize(
    "value", [gettext_lazy("Jobs"), lazy(string.capwords, str)("jobs")], ids=["translation", "lazy"]
)
def test_a_text_that_is_made_when_it_is_shown_is_refused_with_what_to_do(value: Any) -> None:
    for args in ([value], [[value]]):
        with pytest.raises(
            InvalidArguments, match=r"argument 1.* \(__proxy__\), which is a lazy text: call str\(\) on it first\.$"
        ):
            encode(args, {})
    assert encode([str(value)], {}) == '[["Jobs"],{}]'


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
