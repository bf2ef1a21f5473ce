"""The arguments of a job as one canonical JSON text: equal calls give equal texts. Refuses what JSON would change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from worker.dialects.portions import portions
from worker.messages.echo import echo, one_line, quoted

MOST_LEVELS = 100
"""Lists and dictionaries within each other: more would be refused by Python's own reader sooner or later."""
LONGEST_PLACE = 200
"""Characters that say where, in nested arguments, a value stands."""

Call = tuple[Sequence[Any], Mapping[str, Any]]
Path = tuple[str | int, ...]
"""The name or position of an argument, and the keys and indices from there to a value within it."""


class InvalidArguments(TypeError):
    """An argument is not JSON: it could not be stored, or would come back as something else."""


def encode(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """`f(*args, **kwargs)` → `[[…],{…}]`, keys sorted. A tuple is stored as a list. It is one line, of ASCII.

    Raises InvalidArguments naming the argument and what it holds.
    """
    require_json(args, kwargs)
    return _ENCODER.encode((args, kwargs))


def encode_each(calls: Sequence[Call]) -> list[str]:
    """The same of many calls, for each of which `require_json` was called.

    To call the encoder costs more than what it does for one: it gets hundreds at once, with marks between them.
    """
    return [text for some in portions(calls, _AT_ONCE) for text in _encoded_with_marks(some).split(_MARK)]


def _encoded_with_marks(calls: Sequence[Call]) -> str:
    marked = [each for call in calls for each in (call, ["", inf])]
    return _ENCODER.encode(marked[:-1])[1:-1]


def decode(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Raises InvalidArguments for what `encode` could not have written: somebody else did."""
    try:
        args, kwargs = json.loads(text)
    except (ValueError, TypeError, RecursionError) as fault:
        raise InvalidArguments(f"The stored arguments cannot be read: {one_line(str(fault))}.") from None
    if type(args) is list and type(kwargs) is dict:
        return args, kwargs
    raise InvalidArguments("The stored arguments are not a list and an object, in a list of two.")


def require_json(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raises InvalidArguments for what JSON could not hold, or would change."""
    _require_arguments(args, kwargs)
    for position, value in enumerate(args, start=1):
        if type(value) not in _SCALARS:
            _require_json((position,), value)
    for name, value in kwargs.items():
        if type(value) not in _SCALARS:
            _require_json((name,), value)


def _require_arguments(args: object, kwargs: object) -> None:
    if not isinstance(args, (list, tuple)):
        raise InvalidArguments(f"args is {echo(args)}, but must be a list or tuple.")
    if not isinstance(kwargs, dict) or (kwargs and not all(type(name) is str for name in kwargs)):
        raise InvalidArguments(f"kwargs is {echo(kwargs)}, but must be a dictionary with string keys.")


def _require_json(path: Path, value: Any) -> None:
    kind = type(value)
    if kind is int and value.bit_length() > _MOST_BITS:
        raise InvalidArguments(
            f"{_place(path)} is a number of {value.bit_length()} bits; at most {_MOST_BITS} are allowed."
        )
    if kind is int or (kind is float and isfinite(value)):
        return
    if kind in _CONTAINERS and len(path) > MOST_LEVELS:
        raise InvalidArguments(
            f"{_place(path[:1])} is nested too deeply, or contains itself; at most {MOST_LEVELS} levels are allowed."
        )
    if kind in (list, tuple):
        items: Iterable[tuple[str | int, Any]] = enumerate(value)
    elif kind is dict and all(type(key) is str for key in value):
        items = value.items()
    else:
        raise InvalidArguments(
            f"{_place(path)} is {echo(value)} ({one_line(kind.__name__)}), which is not JSON. "
            "Pass strings, numbers, booleans, None, lists and dictionaries with string keys; for a model, its primary "
            "key."
        )
    for step, each in items:
        if type(each) not in _SCALARS:
            _require_json((*path, step), each)


def _place(path: Path) -> str:
    first, *steps = path
    argument = quoted(first) if isinstance(first, str) else first
    return one_line(f"argument {argument}{''.join(f'[{echo(step)}]' for step in steps)}", LONGEST_PLACE)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_MARK = ',["",Infinity],'
"""No call contains it: infinity is refused as a value, and within a text a quote does not follow a bracket."""
_AT_ONCE = 500
_CONTAINERS = frozenset({list, tuple, dict})
_SCALARS = frozenset({str, bool, type(None)})
_MOST_BITS = 8192
"""Python refuses to write or read a whole number of more than 4300 digits."""
