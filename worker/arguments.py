"""The arguments of a job as one canonical JSON text: equal calls give equal texts. Refuses what JSON would change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from worker.dialects.portions import portions
from worker.messages.echo import echo, one_line, quoted
from worker.messages.expected import must_be

MOST_LEVELS = 100
"""Lists and dictionaries within each other: more would be refused by Python's own reader sooner or later."""
MOST_VALUES_TOLD, LONGEST_VALUE_TOLD = 5, 1000
LONGEST_PLACE = 200
"""Characters that say where, in nested arguments, a value stands."""

Call = tuple[Sequence[Any], Mapping[str, Any]]
Path = tuple[str | int, ...]
"""The name or position of an argument, and the keys and indices from there to a value within it."""


class InvalidArguments(TypeError):
    """An argument is not JSON: it could not be stored, or would come back as something else."""

    __module__ = "worker.api"


def encode(args: Sequence[Any], kwargs: Mapping[str, Any], where: str = "") -> str:
    """`f(*args, **kwargs)` → `[[…],{…}]`, keys sorted. A tuple is stored as a list. It is one line, of ASCII.

    Raises InvalidArguments naming the argument and what it holds, after `where` if it is given.
    """
    return _ENCODER.encode(as_json(args, kwargs, where))


def encode_each(calls: Sequence[Call]) -> list[str]:
    """The same of many calls that `as_json` gave.

    To call the encoder costs more than what it does for one: it gets hundreds at once, with marks between them.
    """
    return [text for some in portions(calls, _AT_ONCE) for text in _encoded_with_marks(some).split(_MARK)]


def _encoded_with_marks(calls: Sequence[Call]) -> str:
    marked = [each for call in calls for each in (call, ["", inf])]
    return _ENCODER.encode(marked[:-1])[1:-1]


def decode(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Raises InvalidArguments for what `encode` could not have written: somebody else did."""
    try:
        (args, kwargs), end = _DECODER.raw_decode(text)
    except (ValueError, TypeError, RecursionError) as fault:
        raise InvalidArguments(f"The stored arguments cannot be read: {one_line(str(fault))}.") from None
    if end == len(text) and type(args) is list and type(kwargs) is dict:
        return args, kwargs
    raise InvalidArguments("The stored arguments are not a list and an object, in a list of two, and nothing else.")


def told_values(text: str) -> list[str]:
    """Some values of a stored call, as they are written in the text of any equal call."""
    args, kwargs = decode(text)
    values = (_ENCODER.encode(value) for value in (*args, *kwargs.values()))
    return [value for value in values if len(value) <= LONGEST_VALUE_TOLD][:MOST_VALUES_TOLD]


def as_json(args: Sequence[Any], kwargs: Mapping[str, Any], where: str = "") -> Call:
    """The call in the values that JSON has: a text, number, list or dictionary of another class by its plain value.

    Raises InvalidArguments for what JSON could not hold, or would change; its message begins with `where`, if given.
    """
    if _is_plain_call(args, kwargs):
        return args, kwargs
    try:
        args, kwargs = _arguments(args, kwargs)
        return (
            [_plain((position,), value) for position, value in enumerate(args, start=1)],
            {name: _plain((name,), value) for name, value in kwargs.items()},
        )
    except InvalidArguments as fault:
        raise InvalidArguments(f"{where}: {fault}" if where else str(fault)) from None


# What most calls hold, told apart quickly


def _is_plain_call(args: Any, kwargs: Any) -> bool:
    return (
        type(args) in _LISTS
        and type(kwargs) is dict
        and _are_plain(args, MOST_LEVELS)
        and (not kwargs or (_are_names(kwargs) and _are_plain(kwargs.values(), MOST_LEVELS)))
    )


def _are_plain(values: Iterable[Any], levels: int) -> bool:
    for value in values:  # noqa: SIM110  a generator would take longer than what it asks
        if type(value) not in _SCALARS and not _is_plain(value, levels):
            return False
    return True


def _is_plain(value: Any, levels: int) -> bool:
    kind = type(value)
    if kind is int:
        return value.bit_length() <= _MOST_BITS  # type: ignore[no-any-return]
    if kind is float:
        return isfinite(value)
    if kind is dict:
        return levels > 0 and _are_names(value) and _are_plain(value.values(), levels - 1)
    return kind in _LISTS and levels > 0 and _are_plain(value, levels - 1)


def _are_names(given: Iterable[Any]) -> bool:
    return all(type(name) is str for name in given)


# And the others


def _arguments(args: object, kwargs: object) -> tuple[Sequence[Any], dict[str, Any]]:
    if not issubclass(type(args), (list, tuple)):
        raise InvalidArguments(must_be("args", args, "a list or tuple"))
    named = _with_plain_names(kwargs) if issubclass(type(kwargs), dict) else None
    if named is None:
        raise InvalidArguments(must_be("kwargs", kwargs, "a dictionary with string keys"))
    return _plain_of(args), named


def _plain(path: Path, value: Any) -> Any:
    """The value that JSON has for it, and gives back."""
    if type(value) in _SCALARS:
        return value
    plain = _plain_of(value)
    kind = type(plain)
    if kind is int and plain.bit_length() > _MOST_BITS:
        raise InvalidArguments(
            f"{_place(path)} is a number of {plain.bit_length()} bits; at most {_MOST_BITS} are allowed."
        )
    if kind in _CONTAINERS and len(path) > MOST_LEVELS:
        raise InvalidArguments(
            f"{_place(path[:1])} is nested too deeply, or contains itself; at most {MOST_LEVELS} levels are allowed."
        )
    if kind is dict:
        plain = _with_plain_names(plain)
    if plain is None or (kind is float and not isfinite(plain)):
        raise InvalidArguments(f"{_place(path)} is {_told(value)}, which is {_REMEDY[_is_lazy(value)]}")
    if not _are_equal(plain, value):
        raise InvalidArguments(
            f"{_place(path)} is {_told(value)}, which does not equal {echo(plain)}, as which it would be stored. "
            "Pass what it is to be when it comes back."
        )
    if kind is dict:
        return {name: _plain((*path, name), each) for name, each in plain.items()}
    return [_plain((*path, index), each) for index, each in enumerate(plain)] if kind in _LISTS else plain


def _plain_of(value: Any) -> Any:
    """What it holds as a text, number, list or dictionary, whatever its class makes of it. None: it is none of them."""
    for kind, plain_of in _PLAIN.items():
        if issubclass(type(value), kind):
            return plain_of(value)
    return None


def _with_plain_names(given: Any) -> dict[str, Any] | None:
    """None: not all of its keys are texts, or two of them are the same text."""
    names = {name: _plain_of(name) for name in dict.keys(given)}
    if all(type(plain) is str and _are_equal(plain, name) for name, plain in names.items()):
        named = {names[name]: value for name, value in dict.items(given)}
        return named if len(named) == len(names) else None
    return None


def _are_equal(plain: object, value: object) -> bool:
    try:
        return bool(plain == value)
    except Exception:  # noqa: BLE001  the class of the value is somebody else's
        return False


def _is_lazy(value: object) -> bool:
    """A translation that Django makes when it is shown. It goes by its name, since this module knows no Django."""
    return any((kind.__module__, kind.__name__) == _PROMISE for kind in type(value).__mro__)


def _told(value: object) -> str:
    return f"{echo(value)} ({one_line(type(value).__name__)})"


def _place(path: Path) -> str:
    first, *steps = path
    argument = quoted(first) if isinstance(first, str) else first
    return one_line(f"argument {argument}{''.join(f'[{echo(step)}]' for step in steps)}", LONGEST_PLACE)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_DECODER = json.JSONDecoder()
"""Asked itself: json.loads would look twice for blanks around the text, for half the time that a small call takes."""
_MARK = ',["",Infinity],'
"""No call contains it: infinity is refused as a value, and within a text a quote does not follow a bracket."""
_AT_ONCE = 500
_LISTS = frozenset({list, tuple})
_CONTAINERS = frozenset({list, tuple, dict})
_SCALARS = frozenset({str, bool, type(None)})
_MOST_BITS = 8192
"""Python refuses to write or read a whole number of more than 4300 digits."""
_PLAIN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    list: lambda value: [*list.__iter__(value)],
    tuple: lambda value: (*tuple.__iter__(value),),
    dict: lambda value: dict(dict.items(value)),
}
"""By the kind itself: a class of somebody else's may answer otherwise."""
_PROMISE = ("django.utils.functional", "Promise")
_REMEDY = {
    False: "not JSON. Pass strings, numbers, booleans, None, lists and dictionaries with string keys; "
    "for a model, its primary key.",
    True: "a text that is made when it is shown: call str() first.",
}
