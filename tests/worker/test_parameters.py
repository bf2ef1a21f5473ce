"""Arguments that fit a function are told from those that do not, as Python itself would on a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.parameters import Parameters


def none() -> None: ...
def one(a: Any) -> None: ...
def one_of_two(a: Any, b: Any = None) -> None: ...
def only_positional(a: Any, /, b: Any) -> None: ...
def only_keyword(a: Any, *, b: Any) -> None: ...
def keyword_if_wanted(a: Any, *, b: Any = None) -> None: ...
def any_number(a: Any, *b: Any) -> None: ...
def anything(*a: Any, **b: Any) -> None: ...


class Callee:
    def __call__(self, a: Any) -> None: ...


FUNCTIONS: list[Callable[..., None]] = [
    *(none, one, one_of_two, only_positional, only_keyword, keyword_if_wanted, any_number, anything),
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
            Parameters(function).require(args, kwargs)
    else:
        Parameters(function).require(args, kwargs)
