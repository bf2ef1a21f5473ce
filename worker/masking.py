"""Mask secrets in arguments and errors, and escape characters that are commands to a terminal.

The names in SCHEDULER["HIDE"] decide what is hidden, as on Django's debug pages. Stored values are not changed. A
secret in a text without its name is not recognised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import lru_cache
from inspect import Parameter, Signature, signature, unwrap
from typing import Any

from worker import tasks
from worker.arguments import MOST_LEVELS
from worker.messages.echo import printable
from worker.options import options

MASK = "********"


def arguments(task: str, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments without secrets. A positional one goes by the name of its parameter; without any, it is hidden."""
    places = zip(_names_of_places(task, len(args), kwargs), args, strict=True)
    masked = [MASK if _hides_any(names) else _masked("", value, MOST_LEVELS) for names, value in places]
    return masked, _masked("", kwargs, MOST_LEVELS)


def result(value: Any) -> Any:
    """What a task returned, without the secrets that have a name."""
    return _masked("", value, MOST_LEVELS)


def as_entered(entered: Any, shown: Any, stored: Any) -> Any:
    """What somebody means who was shown arguments without their secrets: what is as it was shown is as it is stored.

    Raises ValueError where the mask stands in a new place: nobody knows for what.
    """
    if entered == shown:
        return stored
    match entered, shown:
        case dict(), dict():
            return {name: as_entered(value, shown.get(name), stored.get(name)) for name, value in entered.items()}
        case list(), list():
            known = [*zip(shown, stored, strict=True), *[(None, None)] * len(entered)]
            return [as_entered(value, *known[place]) for place, value in enumerate(entered)]
    if MASK in json.dumps(entered):
        raise ValueError(f"{MASK} stands for a hidden value. Enter the value itself.")
    return entered


def text(given: str) -> str:
    """A message or a traceback, its lines kept."""
    return printable(_without_secrets(given), but="\n\t")


def line(given: str) -> str:
    """The same on one line."""
    return printable(_without_secrets(given))


def _hides(name: str) -> bool:
    return any(pattern.search(name) for pattern in _compiled(tuple(options().HIDE)))


@lru_cache(maxsize=8)
def _compiled(patterns: tuple[str, ...]) -> list[re.Pattern[str]]:
    return [re.compile(pattern, re.IGNORECASE) for pattern in patterns]


def _hides_any(names: Collection[str]) -> bool:
    """Of a value that may bear any of these; of one that has no name, nobody knows what it is."""
    return any(map(_hides, names)) if names else bool(options().HIDE)


def _names_of_places(task: str, count: int, kwargs: Collection[str]) -> list[set[str]]:
    """Of so many positional arguments, the parameters to which each may go: none where nobody knows.

    A decorator may take arguments of its own before those that it passes on, and may put others before them. So each
    may go to some earlier or later parameter of what it wraps, of those that the call leaves open.
    """
    try:
        layers = [signature(each, follow_wrapped=False) for each in _layers(tasks.get(task).function)]
    except (tasks.UnknownTask, TypeError, ValueError):
        return [set() for _ in range(count)]
    names: list[set[str]] = [set() for _ in range(count)]
    taken, above = 0, list[str]()
    for depth, layer in enumerate(layers):
        named, rest = _positional(layer, kwargs if depth == len(layers) - 1 else ())
        taken += 0 if named == above else len(above)
        added = max(len(named) - count, 0) if depth else 0
        for at, found in enumerate(names):
            found.update(named[max(at - taken, 0) : at + added + 1])
            if depth == len(layers) - 1 and at + added >= len(named):
                found.update(rest)
        above = named
    return names


def _layers(function: Any) -> list[Any]:
    """The function, what it wraps, what that wraps, and so on. Raises ValueError where that has no end."""
    layers: list[Any] = []
    innermost = unwrap(function, stop=layers.append)  # it stops nowhere
    return [*layers, innermost]


def _positional(of: Signature, kwargs: Collection[str]) -> tuple[list[str], list[str]]:
    """The parameters that take a positional argument each, if no keyword does, and the one that takes the rest."""
    parameters = of.parameters.values()
    named = [each.name for each in parameters if each.kind in _POSITIONAL and each.name not in kwargs]
    return named, [each.name for each in parameters if each.kind is Parameter.VAR_POSITIONAL]


def _masked(name: str, value: Any, levels: int) -> Any:
    if name and _hides(name):
        return MASK
    match value:
        case dict() | list() if levels < 0:
            return "…"
        case dict():
            return {key: _masked(key, each, levels - 1) for key, each in value.items()}
        case list():
            return [_masked("", each, levels - 1) for each in value]
        case str():
            return _without_secrets(value)
    return value


def _without_secrets(given: str) -> str:
    """Without what stands behind a name (`name=value`, `name: value`, `'name': value`), and in `user:value@host`.

    Nor with the values that PostgreSQL quotes when it refuses a row: they stand behind their names, or have none.
    """
    parts, end = [], 0
    for head in _HEAD.finditer(given):
        if head.start() < end or not _hides(head["name"]) or _is_class(head):
            continue
        value = _VALUE.match(given, head.end())
        if value is not None and value[0]:
            parts += [given[end : head.end()], MASK]
            end = value.end()
    hidden = _IN_URL.sub(rf"\1{MASK}", "".join([*parts, given[end:]]))
    return _ROW.sub(rf"\1{MASK}", _KEY.sub(_without_key, hidden)) if options().HIDE else hidden


def _without_key(quoted: re.Match[str]) -> str:
    names = quoted["names"]
    return f"Key ({names})=({MASK})" if any(map(_hides, names.split(", "))) else quoted[0]


def _is_class(head: re.Match[str]) -> bool:
    """`KeyError: …` and its like tell the kind of an error, which is no secret."""
    return head["sign"] == ":" and _CLASS.search(head["name"]) is not None


_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
# No pattern tries a place twice: what a task says may be long, and made to keep us busy.
_HEAD = re.compile(r"""(?<![\w.-])(?P<name>[\w.-]++)\\{0,8}+["']?[ \t]*+(?P<sign>=(?![=>])|:(?!:))[ \t]*+""")
_CLASS = re.compile(r"(?:^|\.)[A-Z]\w*[a-z][A-Z]\w*$")
_VALUE = re.compile(
    r"""(?:(?:bearer|basic|digest|token)[ ]++)?
    (?: [bru]{0,2}"(?:\\.|[^"\\\n])*+"?
      | [bru]{0,2}'(?:\\.|[^'\\\n])*+'?
      | \\{1,8}(?P<quote>["'])(?:(?!\\{1,8}(?P=quote)).)*+(?:\\{1,8}(?P=quote))?
      | [\[({].*+
      | [^\s,;&)\]}'"]*+ )""",
    re.VERBOSE | re.IGNORECASE,
)
_KEY = re.compile(r"\bKey \((?P<names>.{1,300}?)\)=\(.*\)")
_ROW = re.compile(r"(Failing row contains \()(?:(?!\)\.?(?:\n|\Z))[\s\S])*+")
_IN_URL = re.compile(r"(://[^\s/:@'\"]*+:)[^\s/@'\"]++(?=@)")
