"""Which errors are tried again and which are not: classes of exceptions, or dotted paths of classes.

A path imports nothing, so a row may have one: it is compared with the classes of an error that was raised.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from worker.messages.expected import must_be

ErrorClass = type[BaseException] | str


def problem(name: str, value: object) -> str | None:
    """What is wrong with a value given as a list of such classes, or None."""
    if isinstance(value, (list, tuple)) and all(_is_one(each) for each in value):
        return None
    return must_be(name, value, "a list of exception classes, or of their dotted paths")


def paths(classes: Sequence[ErrorClass]) -> list[str]:
    """The same as texts, for a row."""
    return [each if isinstance(each, str) else f"{each.__module__}.{each.__qualname__}" for each in classes]


def has(classes: Sequence[ErrorClass], error: BaseException) -> bool:
    """Whether the error is of one of them."""
    return any(_is_of(type(error), each) for each in classes)


def _is_of(kind: type, wanted: ErrorClass) -> bool:
    if not isinstance(wanted, str):
        return issubclass(kind, wanted)
    found = _loaded(wanted)
    return any(each is found or f"{each.__module__}.{each.__qualname__}" == wanted for each in kind.__mro__)


def _loaded(path: str) -> object:
    """A module may offer a class that another one has made."""
    module, _, name = path.rpartition(".")
    return vars(sys.modules[module]).get(name) if module in sys.modules else None


def _is_one(value: object) -> bool:
    if isinstance(value, str):
        return "." in value and all(part.isidentifier() for part in value.split("."))
    return isinstance(value, type) and issubclass(value, BaseException)
