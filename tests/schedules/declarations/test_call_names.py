"""What makes a repeating call the same: its name, which fits into the database and is its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from schedules.declarations.call_names import call_name, shown_name
from schedules.models import HIDING, NAME_LENGTH
from schedules.spec import InvalidSchedule
from schedules.testing import isolated_registry
from worker import tasks
from worker.arguments import encode
from worker.tasks import Task


@pytest.fixture
def report() -> Iterator[None]:
    def report(*regions: str, **options: str) -> None: ...

    with isolated_registry():
        tasks.register(Task(report, "shop.report"))
        yield


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


def shown(*args: Any, **kwargs: Any) -> str:
    return shown_name(name_of(*args, **kwargs), "shop.report", encode(args, kwargs))


def test_a_name_is_shown_without_what_is_hidden_and_with_an_ending_of_its_own(report: None) -> None:
    one, other = shown("eu", token="hunter2"), shown("eu", token="hunter3")

    assert one.startswith('shop.report("eu", token="********") ~')
    assert HIDING.search(one)
    assert one == shown("eu", token="hunter2") != other


def test_a_name_that_hides_nothing_is_shown_as_it_is(report: None) -> None:
    assert shown("eu", 7, deep=True) == name_of("eu", 7, deep=True)
    assert not HIDING.search(shown("x" * 1000))


def test_a_long_name_that_hides_something_fits_and_is_its_own(report: None) -> None:
    one, other = shown("x" * 1000, token="hunter2"), shown("x" * 1000, token="hunter3")

    assert one != other
    assert len(one) == len(other) == NAME_LENGTH
    assert HIDING.search(one)


def test_an_ending_tells_nobody_without_the_key_whether_a_guess_is_right(report: None) -> None:
    with override_settings(SECRET_KEY="one"):
        one = shown("eu", token="1234")
    with override_settings(SECRET_KEY="other"):
        other = shown("eu", token="1234")

    assert one != other


@pytest.mark.parametrize("key", [7, b"eu", ["eu"]])
def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    with pytest.raises(InvalidSchedule, match=r"^shop\.report\(…\): key is .*, but must be a text\.$"):
        name_of(key=key)
