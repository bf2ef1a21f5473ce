"""What people may see of arguments and errors: no secrets, and nothing that a terminal would obey.

Decides what is hidden, by the names in SCHEDULER["HIDE"], as Django's debug pages do. What is stored stays as it is;
where it is shown, and how, others decide. A secret that stands in a text without its name is not recognised.
"""

from __future__ import annotations

import json
import re
from inspect import Parameter, signature
from itertools import zip_longest
from typing import Any

from worker import tasks
from worker.arguments import MOST_LEVELS
from worker.messages.echo import printable
from worker.options import options

MASK = "********"


def arguments(task: str, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments without secrets. A positional one goes by the name of its parameter, if the task is known here."""
    named, rest = _positional_names(task)
    names = [*named[: len(args)], *[rest] * (len(args) - len(named))]
    masked = [_masked(name, value, MOST_LEVELS) for name, value in zip_longest(names, args, fillvalue="")]
    return masked, _masked("", kwargs, MOST_LEVELS)


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
        raise ValueError(f"{MASK} stands for a value that is hidden; give the value.")
    return entered


def text(given: str) -> str:
    """A message or a traceback, its lines kept."""
    return printable(_without_secrets(given), but="\n\t")


def line(given: str) -> str:
    """The same on one line."""
    return printable(_without_secrets(given))


def _hides(name: str) -> bool:
    return any(re.search(pattern, name, re.IGNORECASE) for pattern in options().HIDE)


def _positional_names(task: str) -> tuple[list[str], str]:
    """The names of a known task's positional parameters, and of the one that takes the rest."""
    try:
        parameters = signature(tasks.get(task).function).parameters.values()
    except (tasks.UnknownTask, TypeError, ValueError):
        return [], ""
    rest = (each.name for each in parameters if each.kind is Parameter.VAR_POSITIONAL)
    return [each.name for each in parameters if each.kind in _POSITIONAL], next(rest, "")


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
    """Without what stands behind a name (`name=value`, `name: value`, `'name': value`), and in `user:value@host`."""
    parts, end = [], 0
    for head in _HEAD.finditer(given):
        if head.start() < end or not _hides(head["name"]) or _is_class(head):
            continue
        value = _VALUE.match(given, head.end())
        if value is not None and value[0]:
            parts += [given[end : head.end()], MASK]
            end = value.end()
    return _IN_URL.sub(rf"\1{MASK}", "".join([*parts, given[end:]]))


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
_IN_URL = re.compile(r"(://[^\s/:@'\"]*+:)[^\s/@'\"]++(?=@)")
