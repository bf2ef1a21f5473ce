"""The arguments of a job as one canonical JSON text: equal calls give equal texts. Refuses what would be changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from worker.arguments.remedies import PASSED, RETURNED, Way, refusal
from worker.arguments.sealed import InvalidArguments as InvalidArguments
from worker.arguments.sealed import opened
from worker.arguments.tags import KINDS, SIGN, InvalidTag, is_tag, kept, plain_of, tag_of, untagged
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


class _Whole(str):
    """What a value is called that is no argument. It stands where others have the name of theirs."""

    __slots__ = ()


def encode(args: Sequence[Any], kwargs: Mapping[str, Any], where: str = "") -> str:
    """`f(*args, **kwargs)` → `[[…],{…}]`, keys sorted. A tuple is stored as a list, a date as `{"$date": "…"}`.

    It is one line, of ASCII.

    Raises InvalidArguments naming the argument and what it holds, after `where` if it is given.
    """
    return _ENCODER.encode(as_json(args, kwargs, where))


def encode_each(calls: Sequence[Call]) -> list[str]:
    """The same of many calls that `as_json` gave.

    To call the encoder costs more than what it does for one: it gets hundreds at once, with marks between them.
    """
    some_at_once = (calls[start : start + _AT_ONCE] for start in range(0, len(calls), _AT_ONCE))
    return [text for some in some_at_once for text in _encoded_with_marks(some).split(_MARK)]


def _encoded_with_marks(calls: Sequence[Call]) -> str:
    marked = [each for call in calls for each in (call, ["", inf])]
    return _ENCODER.encode(marked[:-1])[1:-1]


def encode_value(value: Any, name: str) -> str:
    """One value by the same rules, with its keys as they come. Raises InvalidArguments, which calls it by that name."""
    text = encode_plain(value)
    return _IN_ORDER.encode(_plain((_Whole(name),), value)) if text is None else text


def encode_plain(value: Any) -> str | None:
    """The same for what JSON has, but for the few dictionaries that read as a tag. None: it is something else."""
    return _IN_ORDER.encode(value) if _are_plain((value,), MOST_LEVELS) else None


def decode_value(text: str, name: str) -> Any:
    """The value that `encode_value` gave. Raises InvalidArguments for a text that it could not have written."""
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as fault:
        raise InvalidArguments(f"{name} cannot be read: {one_line(str(fault))}.") from None
    return _from_json(_Whole(name), value)


def from_json_value(value: Any, name: str) -> Any:
    """The same, of what JSON has read already. Raises InvalidArguments for a tag that was not written here."""
    return _from_json(_Whole(name), value)


def decode(text: str) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a stored call, as they were given.

    Raises InvalidArguments for what `encode` could not have written: somebody else did; or CannotDecode.
    """
    if text[:1] != "[":
        text = opened(text)
    args, kwargs = _read(text)
    if _TAG_WITHIN not in text:
        return args, kwargs
    try:
        return from_json(args, kwargs)
    except InvalidArguments as fault:
        raise _unreadable(fault) from None


def stored_json(text: str) -> tuple[list[Any], dict[str, Any]]:
    """The same in the values that JSON has: with tags, for whoever shows them or has them edited."""
    return _read(opened(text))


def _read(text: str) -> tuple[list[Any], dict[str, Any]]:
    try:
        (args, kwargs), end = _DECODER.raw_decode(text)
    except (ValueError, TypeError, RecursionError) as fault:
        raise _unreadable(f"{one_line(str(fault))}.") from None
    if end == len(text) and type(args) is list and type(kwargs) is dict:
        return args, kwargs
    raise InvalidArguments("The stored arguments must be a list of exactly two values: a list and an object.")


def _unreadable(why: object) -> InvalidArguments:
    return InvalidArguments(f"The stored arguments cannot be read: {why}")


def from_json(args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The call that `as_json` gave in these values. Raises InvalidArguments for a tag that was not written here."""
    return (
        [_from_json(position, value) for position, value in enumerate(args, start=1)],
        {name: _from_json(name, value) for name, value in kwargs.items()},
    )


def told_values(text: str) -> list[str]:
    """Some values of a stored call, as they are written in the text of any equal call."""
    args, kwargs = stored_json(text)
    values = (_ENCODER.encode(value) for value in (*args, *kwargs.values()))
    return [value for value in values if len(value) <= LONGEST_VALUE_TOLD][:MOST_VALUES_TOLD]


def as_json(args: Sequence[Any], kwargs: Mapping[str, Any], where: str = "") -> Call:
    """The call in the values that JSON has: a text, number, list or dictionary of another class by its plain value.

    What JSON has not goes by a tag, if there is one for it.
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
    for value in values:
        kind = type(value)
        if kind in _SCALARS:
            continue
        if kind is int:
            if value.bit_length() > _MOST_BITS:
                return False
        elif kind is float:
            if not isfinite(value):
                return False
        elif levels <= 0 or not _is_plain_container(kind, value, levels):
            return False
    return True


def _is_plain_container(kind: type, value: Any, levels: int) -> bool:
    if kind is dict:
        return _are_names(value) and not is_tag(value) and _are_plain(value.values(), levels - 1)
    return kind in _LISTS and _are_plain(value, levels - 1)


def _are_names(given: Iterable[Any]) -> bool:
    return _NAME.issuperset(map(type, given))


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
    named = _with_plain_names(plain) if kind is dict else plain
    if named is None or (kind is float and not isfinite(plain)):
        raise InvalidArguments(f"{_place(path)} is {refusal(value, _name(path), _way(path))}")
    if not _are_equal(named, value):
        way = _way(path)
        raise InvalidArguments(
            f"{_place(path)} is {echo(value)} ({one_line(type(value).__name__)}), but would be stored as "
            f"{echo(plain)}, which is not equal to it. {way.imperative} the value that {way.reader} should get."
        )
    if kind in KINDS:
        return tag_of(plain)
    if kind is dict:
        held = {name: _plain((*path, name), each) for name, each in named.items()}
        return kept(held) if is_tag(held) else held
    return [_plain((*path, index), each) for index, each in enumerate(plain)] if kind in _LISTS else plain


def _plain_of(value: Any) -> Any:
    """What it holds as a value of JSON or one that has a tag, whatever its class makes of it. None: it is neither."""
    for kind, held in _PLAIN.items():
        if issubclass(type(value), kind):
            return held(value)
    return plain_of(value)


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


def _from_json(name: str | int, value: Any) -> Any:
    try:
        return untagged(value)
    except InvalidTag as fault:
        raise InvalidArguments(f"{_place((name,))}: {fault}.") from None
    except RecursionError:
        raise InvalidArguments(f"{_place((name,))} is nested too deeply.") from None


def _name(path: Path) -> str:
    """Of an argument itself; what stands within one has none."""
    return path[0] if len(path) == 1 and type(path[0]) is str else ""


def _way(path: Path) -> Way:
    """What has the name of no argument is returned: by a task, or by a carrier that captures it."""
    return RETURNED if isinstance(path[0], _Whole) else PASSED


def _place(path: Path) -> str:
    first, *steps = path
    if isinstance(first, _Whole):
        whole = str(first)
    else:
        whole = f"argument {quoted(first) if isinstance(first, str) else first}"
    return one_line(f"{whole}{''.join(f'[{echo(step)}]' for step in steps)}", LONGEST_PLACE)


_ENCODER = json.JSONEncoder(sort_keys=True, check_circular=False, separators=(",", ":"))
"""Whatever contains itself was refused before."""
_IN_ORDER = json.JSONEncoder(check_circular=False, separators=(",", ":"))
"""Nobody compares such texts, and to sort the keys takes a third of the time."""
_DECODER = json.JSONDecoder()
"""Asked itself: json.loads would look twice for blanks around the text, for half the time that a small call takes."""
_MARK = ',["",Infinity],'
"""No call contains it: infinity is refused as a value, and within a text a quote does not follow a bracket."""
_AT_ONCE = 500
_TAG_WITHIN = f'{{"{SIGN}'
"""So begins each tag, and within a text no quote follows a bracket."""
_LISTS = frozenset({list, tuple})
_CONTAINERS = frozenset({list, tuple, dict})
_SCALARS = frozenset({str, bool, type(None)})
_NAME = frozenset({str})
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
