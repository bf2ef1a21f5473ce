"""What makes a repeating call the same: its name, which fits into the database and is its own."""

from __future__ import annotations

from typing import Any

import pytest

from schedules.declarations.call_names import call_name
from schedules.models import NAME_LENGTH
from schedules.spec import InvalidSchedule
from worker.arguments import encode


def name_of(*args: Any, key: str | None = None, **kwargs: Any) -> str:
    return call_name("shop.report", encode(args, kwargs), key)


def test_a_call_is_named_as_it_would_be_written() -> None:
    assert name_of("eu", 7, deep=True, where=None) == 'shop.report("eu", 7, deep=true, where=null)'
    assert name_of() == "shop.report()"
    assert name_of("eu", key="the one") == "shop.report#the one"


def test_equal_calls_have_one_name_and_others_another() -> None:
    assert name_of(1, b=2, a=(3,)) == name_of(1, a=[3], b=2)
    names = [name_of(1), name_of("1"), name_of(1.5), name_of(True), name_of(None), name_of([1]), name_of(n=1)]
    assert len(set(names)) == len(names)


def test_a_long_call_has_a_name_that_fits_and_still_is_its_own() -> None:
    one, other = name_of("x" * 1000 + "1"), name_of("x" * 1000 + "2")

    assert one != other
    assert len(one) == len(other) == NAME_LENGTH


def test_a_call_with_what_cannot_be_shown_has_a_name_that_can() -> None:
    for hostile in ("a\nb", "\0", "\ud800", "\u202e"):
        assert name_of(hostile).isprintable()
        assert name_of(key=hostile).isprintable()


@pytest.mark.parametrize("key", [7, b"eu", ["eu"]])
def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    with pytest.raises(InvalidSchedule, match=r"^shop\.report\(…\): key is .*, but must be a text\.$"):
        name_of(key=key)
