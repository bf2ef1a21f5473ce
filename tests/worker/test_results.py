"""The text of a result: one line of JSON that comes back as the same value, or an error."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan
from typing import Any

import pytest

from worker.results import LONGEST, decode, encode, encode_if_plain

DEEP: Any = 1
for _ in range(100):
    DEEP = [DEEP]
ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


class Elusive(str):
    """Equal to nothing."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


PLAIN = [None, True, 7, -0.5, "é\n\x00", [1, [2, {"a": {}}]], {"b": 1, "a": [None]}, DEEP, 2**8191]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: ascii(value)[:30])
def test_what_json_has_is_written_at_once_and_comes_back(value: Any) -> None:
    text = encode_if_plain(value)

    assert text == encode(value)
    assert text is not None
    assert decode(text) == value
    assert text.isascii()
    assert "\n" not in text


def test_keys_stay_in_their_order() -> None:
    assert list(decode(encode({"b": 1, "a": {"d": 2, "c": 3}}))) == ["b", "a"]
    assert encode({"b": 1, "a": 2}) == '{"b":1,"a":2}'


@pytest.mark.parametrize("value", [{"$date": "x"}, {"$": {}}, [{"a": {"$x": 1}}], datetime(2026, 1, 1, tzinfo=UTC)])
def test_what_needs_a_tag_is_not_plain_and_comes_back_all_the_same(value: Any) -> None:
    assert encode_if_plain(value) is None
    assert decode(encode(value)) == value


@pytest.mark.parametrize("value", [nan, [inf], {"a": -inf}, {1: 2}, {"a": {None: 1}}, [DEEP], ENDLESS, 2**8192, b"x"])
def test_what_json_could_not_give_back_is_neither_plain_nor_kept(value: Any) -> None:
    assert encode_if_plain(value) is None
    with pytest.raises(TypeError, match="The result cannot be kept"):
        encode(value)


@pytest.mark.parametrize(
    ("value", "instead"),
    [
        (nan, "which is not JSON. It is not a finite number: return None, or a text."),
        ({1: 2}, "Its keys must be strings: return {str(key): each for key, each in value.items()}."),
        ({1}, "Return sorted(value), and call set(…) where it is read."),
        (object(), "for a model, return its primary key."),
        (Elusive("x"), "which is not equal to it. Return the value that whoever reads it should get."),
    ],
)
def test_a_result_that_cannot_be_kept_says_what_to_return_instead(value: Any, instead: str) -> None:
    with pytest.raises(TypeError, match=r"The result cannot be kept: the return value is ") as raised:
        encode(value)

    assert str(raised.value).endswith(instead)


def test_what_is_too_long_is_refused_whoever_encodes_it() -> None:
    assert len(encode("x" * (LONGEST - 2))) == LONGEST
    for each in (encode, encode_if_plain):
        with pytest.raises(TypeError, match=f"a text of {LONGEST + 1} characters, and at most {LONGEST}"):
            each("x" * (LONGEST - 1))
