"""Arguments that fit a function are told from those that do not, as Python itself would on a call."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.arguments import encode
from worker.parameters import Parameters


def none() -> None: ...
def one(a: Any) -> None: ...
def one_of_two(a: Any, b: Any = None) -> None: ...
def only_positional(a: Any, /, b: Any) -> None: ...
def only_keyword(a: Any, *, b: Any) -> None: ...
def keyword_if_wanted(a: Any, *, b: Any = None) -> None: ...
def any_number(a: Any, *b: Any) -> None: ...
def anything(*a: Any, **b: Any) -> None: ...


@wraps(one_of_two)
def gives_the_first(*args: Any, **kwargs: Any) -> None:
    one_of_two("client", *args, **kwargs)


@wraps(one)
def takes_one_of_its_own(*args: Any, c: Any = None) -> None:
    one(*args)


@wraps(only_keyword)
def takes_the_first(b: Any) -> None:
    only_keyword(b, b=b)


class Callee:
    def __call__(self, a: Any) -> None: ...


FUNCTIONS: list[Callable[..., None]] = [
    *(none, one, one_of_two, only_positional, only_keyword, keyword_if_wanted, any_number, anything),
    takes_the_first,
    Callee(),
]


@given(
    function=st.sampled_from(FUNCTIONS),
    args=st.lists(st.none(), max_size=4),
    kwargs=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.none(), max_size=2),
)
def test_arguments_fit_if_a_call_takes_them(
    function: Callable[..., None], args: list[Any], kwargs: dict[str, Any]
) -> None:
    try:
        function(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            Parameters(function, "report(…)").require(args, kwargs)
    else:
        Parameters(function, "report(…)").require(args, kwargs)


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (gives_the_first, [7], {}),
        (gives_the_first, [], {"b": 7}),
        (gives_the_first, [], {}),
        (takes_one_of_its_own, [7], {"c": 7}),
    ],
)
def test_what_a_decorator_gives_or_takes_is_no_fault_of_the_call(
    function: Callable[..., None], args: list[Any], kwargs: dict[str, Any]
) -> None:
    function(*args, **kwargs)
    Parameters(function, "report(…)").require(args, kwargs)


def test_the_names_are_those_of_the_decorator_and_of_what_it_wraps() -> None:
    assert Parameters(takes_one_of_its_own, "report(…)").names == ("args", "c", "a")


def test_what_does_not_fit_is_told_with_where_it_was_given() -> None:
    with pytest.raises(TypeError, match=r"^report\(…\): missing a required argument: 'a'\.$"):
        Parameters(one, "report(…)").require([], {})


# Which calls mean the same


def defaults(region: str = "eu", deep: bool = False, *, limit: int = 1) -> None: ...
def placed(a: int = 1, b: int = 2, /, c: int = 3) -> None: ...
def listed(a: int = 1, *rest: int, **named: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "equal"),
    [
        (defaults, [((), {}), (("eu",), {}), ((), {"region": "eu"}), (("eu", False), {"limit": 1})]),
        (defaults, [(("us", True), {}), (("us",), {"deep": True}), ((), {"deep": True, "region": "us"})]),
        (defaults, [(("eu", True), {}), ((), {"deep": True})]),
        (placed, [((1, 5), {}), ((1, 5, 3), {}), ((1, 5), {"c": 3})]),
        (placed, [((1, 2), {"c": 5}), ((), {"c": 5})]),
        (listed, [((), {}), ((1,), {}), ((), {"a": 1})]),
    ],
)
def test_calls_that_bind_the_same_have_one_meaning(
    function: Callable[..., None], equal: list[tuple[tuple[Any, ...], dict[str, Any]]]
) -> None:
    parameters = Parameters(function, "f")

    assert len({parameters.meaning(encode(args, kwargs)) for args, kwargs in equal}) == 1


@pytest.mark.parametrize(
    ("function", "calls"),
    [
        (defaults, [((), {}), ((), {"limit": True}), ((), {"limit": 1.0}), (("EU",), {}), ((), {"deep": 0})]),
        (listed, [((1, 2), {}), ((), {"rest": 2}), ((2,), {}), ((), {"b": 2})]),
        (placed, [((1, 5), {}), ((5,), {}), ((), {"c": 5})]),
    ],
)
def test_calls_that_bind_otherwise_have_another(
    function: Callable[..., None], calls: list[tuple[tuple[Any, ...], dict[str, Any]]]
) -> None:
    parameters = Parameters(function, "f")

    assert len({parameters.meaning(encode(args, kwargs)) for args, kwargs in calls}) == len(calls)


@pytest.mark.parametrize("arguments", ["[[1,2,3,4,5],{}]", "nonsense", "[1]"])
def test_what_does_not_fit_or_cannot_be_read_means_what_it_says(arguments: str) -> None:
    assert Parameters(defaults, "f").meaning(arguments) == arguments
