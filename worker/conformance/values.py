"""Values at which stores differ, as arguments, results and errors."""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import UTC, datetime
from decimal import Decimal
from math import inf, nan
from typing import Any

ORDINARY: dict[str, tuple[Any, Any]] = {
    "a text": ("text", "text"),
    "a text of other scripts": ("日本語 🔔", "日本語 🔔"),
    "whole numbers": ([0, -1, 2**31, 2**53 - 1], [0, -1, 2**31, 2**53 - 1]),
    "a number": (1.5, 1.5),
    "booleans and None": ([True, False, None], [True, False, None]),
    "lists and dictionaries": ({"a": [{"b": []}]}, {"a": [{"b": []}]}),
    "a tuple": ((1, 2), [1, 2]),
    "a range": (range(3), [0, 1, 2]),
    "a deque": (deque("ab"), ["a", "b"]),
    "another mapping": (OrderedDict(a=1), {"a": 1}),
    "bytes of UTF-8": (b"text", "text"),
}
"""What the framework takes, and what becomes of it."""

REFUSED: dict[str, Any] = {
    "an object": object(),
    "a set": {1, 2},
    "a datetime": datetime(2026, 1, 1, tzinfo=UTC),
    "a Decimal": Decimal(1),
    "a function": print,
    "a class": int,
    "an object within a list": [{"a": object()}],
}
"""What the framework does not take."""


class _Text(str):
    """Of a class of its own, as templates give it."""


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


ODD: dict[str, Any] = {
    "a key that is a number": {1: "a"},
    "nan": nan,
    "inf": inf,
    "a text with a NUL": "a\x00b",
    "half of a surrogate pair": "\ud800",
    "a whole number of 71 bits": 2**70,
    "a text of a class of its own": _Text("text"),
    "900 lists in one another": _nested(900),
}
"""What the framework lets pass, and a store may not."""

ODD_RESULTS: dict[str, Any] = {**ODD, **REFUSED, "bytes that are no UTF-8": b"\xff"}


class _Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("it cannot be told")


def _of_no_module() -> BaseException:
    error: BaseException = type("HereOnly", (LookupError,), {})("here only")
    return error


ODD_ERRORS: dict[str, Any] = {
    "of a class that nobody can import": _of_no_module,
    "whose message cannot be told": _Unprintable,
    "with a NUL in its message": lambda: ValueError("a\x00b"),
    "with half of a surrogate pair": lambda: ValueError("\ud800"),
    "with a message of a million characters": lambda: ValueError("x" * 1_000_000),
    "that is a group": lambda: ExceptionGroup("several", [ValueError("one"), KeyError("other")]),
}
