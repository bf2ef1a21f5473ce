"""An exception as text that every database accepts: class, message and traceback.

These are the user's code, and may fail when they are read. Parts that fail are left out, and the rest is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from traceback import extract_tb, format_exception, format_tb

LONGEST_TOLD = 20_000
"""Characters of a message or a traceback that are kept: its beginning and its end."""

MOST_OF_A_CHAIN = 20
"""Exceptions of which a traceback tells that has to be put together by hand."""


def kind_of(error: BaseException) -> str:
    return _or("Exception", lambda: storable(type(error).__qualname__))


def path_of(error: BaseException) -> str:
    """The dotted path of its class; of the first class above it where a module has no such name."""
    return _or("builtins.Exception", lambda: next(filter(None, map(_path, type(error).__mro__))))


def message_of(error: BaseException) -> str:
    return _or("(its message cannot be shown)", lambda: storable(str(error)))


def traceback_of(error: BaseException) -> str:
    """As Python prints it; without what it cannot print, where there is such a thing."""
    return _or("", lambda: storable("".join(format_exception(error)))) or storable("".join(_by_hand(error)))


def place_of(error: BaseException) -> str:
    """The file and the line that raised it."""
    return _or("unknown place", lambda: "{0.filename}, line {0.lineno}".format(extract_tb(_TRACEBACK(error))[-1]))


def storable(text: str) -> str:
    """What every database accepts, and no statement is too long for: one bad text would block a whole batch."""
    text = str.__str__(text)  # a class of its own might do anything below
    if len(text) > LONGEST_TOLD:
        text = f"{text[: LONGEST_TOLD // 2]}\n…\n{text[-LONGEST_TOLD // 2 :]}"
    return text.replace("\x00", "\\x00").encode(errors="backslashreplace").decode()


def _path(kind: type) -> str | None:
    found = getattr(sys.modules.get(kind.__module__), kind.__qualname__, None)
    return f"{kind.__module__}.{kind.__qualname__}" if found is kind else None


def _by_hand(error: BaseException) -> Iterator[str]:
    for each in reversed(_chain(error)):
        yield "Traceback (most recent call last):\n"
        yield _or("", lambda: "".join(format_tb(_TRACEBACK(each))))  # noqa: B023  called at once
        yield f"{kind_of(each)}: {message_of(each)}\n"


def _chain(error: BaseException) -> list[BaseException]:
    """The exception, those that a group holds, and what came before each."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < MOST_OF_A_CHAIN:
        each = waiting.pop(0)
        if not any(each is known for known in found):
            found.append(each)
            inner = _MEMBERS(each) if issubclass(type(each), BaseExceptionGroup) else ()
            waiting += [*filter(None, (_CAUSE(each), _CONTEXT(each))), *inner]
    return found


def _or(otherwise: str, told: Callable[[], str]) -> str:
    try:
        return told()
    except BaseException:  # noqa: BLE001  whatever is raised there, the outcome is that of the task
        return otherwise


# As Python itself keeps them: a class may have properties of these names.
_TRACEBACK = BaseException.__dict__["__traceback__"].__get__
_CAUSE = BaseException.__dict__["__cause__"].__get__
_CONTEXT = BaseException.__dict__["__context__"].__get__
_MEMBERS = BaseExceptionGroup.__dict__["exceptions"].__get__
