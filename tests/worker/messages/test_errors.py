"""What an exception tells of itself, and what is told of one that does not want to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from worker.messages import errors
from worker.messages.errors import kind_of, message_of, traceback_of


def refuse(*_: Any) -> NoReturn:
    raise RuntimeError("I will not be looked at.")


def leave(*_: Any) -> NoReturn:
    raise SystemExit(1)


class EvilText(str):
    """Raises whatever is done with it."""

    __slots__ = ()
    __len__ = replace = encode = __getitem__ = refuse  # type: ignore[assignment]


def hostile(**members: Any) -> BaseException:
    error: BaseException = type("Hostile", (Exception,), members)("told")
    return error


def group(*members: Exception) -> ExceptionGroup[Exception]:
    return ExceptionGroup("several", members)


def syntax_error() -> SyntaxError:
    return SyntaxError("unknown word", WHERE)


WHERE: Any = ("rules", 1, "x", "a = b")
"""Python would have a number for the third."""


class Ungrouped(ExceptionGroup[Exception]):
    exceptions = property(refuse)


class LostName(AttributeError):
    """Python looks for a name that is meant instead, by listing those that there are."""

    def __init__(self) -> None:
        super().__init__("told", name="nmae", obj=type("Listless", (), {"__dir__": refuse, "name": 1})())


HOSTILE: dict[str, tuple[Callable[[], BaseException], str, str]] = {
    "it says where, in words": (syntax_error, "SyntaxError", "unknown word (rules, line 1)"),
    "its cause raises": (lambda: hostile(__cause__=property(refuse)), "Hostile", "told"),
    "its context raises": (lambda: hostile(__context__=property(leave)), "Hostile", "told"),
    "its traceback raises": (lambda: hostile(__traceback__=property(refuse)), "Hostile", "told"),
    "its notes raise": (lambda: hostile(__notes__=property(leave)), "Hostile", "told"),
    "its notes are no list": (lambda: hostile(__notes__=7), "Hostile", "told"),
    "its names raise": (LostName, "LostName", "told"),
    "its text raises": (lambda: hostile(__str__=refuse), "Hostile", "(its message cannot be shown)"),
    "its text ends the process": (lambda: hostile(__str__=leave), "Hostile", "(its message cannot be shown)"),
    "its text is none": (lambda: hostile(__str__=lambda _: 7), "Hostile", "(its message cannot be shown)"),
    "its text is evil": (lambda: hostile(__str__=lambda _: EvilText("told")), "Hostile", "told"),
    "its attributes raise": (lambda: hostile(__getattribute__=refuse), "Hostile", "told"),
    "a member of its group is so": (lambda: group(syntax_error()), "ExceptionGroup", "several (1 sub-exception)"),
    "its group is so": (lambda: Ungrouped("several", [ValueError("inner")]), "Ungrouped", "several (1 sub-exception)"),
}


def raised(error: BaseException) -> BaseException:
    """The same, with a traceback."""
    try:
        throw(error)
    except BaseException as caught:  # noqa: BLE001  any is meant
        return caught


def throw(error: BaseException) -> NoReturn:
    raise error


@pytest.mark.parametrize("how", HOSTILE)
def test_an_exception_is_told_with_as_much_as_it_tells(how: str) -> None:
    make, kind, message = HOSTILE[how]
    error = raised(make())

    assert (kind_of(error), message_of(error)) == (kind, message)
    traceback = traceback_of(error)
    assert traceback.startswith("Traceback (most recent call last):\n") or "Exception Group Traceback" in traceback
    assert "raise error" in traceback
    assert kind in traceback


def test_what_came_before_is_told_though_python_cannot_print_it() -> None:
    try:
        try:
            throw(KeyError("the first"))
        except KeyError as first:
            raise group(ValueError("a member"), syntax_error()) from first
    except ExceptionGroup as error:
        traceback = traceback_of(error)

    for told in (
        "KeyError: 'the first'",
        "ValueError: a member",
        "SyntaxError: unknown word",
        "ExceptionGroup: several",
    ):
        assert told in traceback
    assert traceback.index("the first") < traceback.index("ExceptionGroup: several")


def test_of_an_endless_chain_the_latest_are_told() -> None:
    error: BaseException = syntax_error()
    for number in range(1000):
        later = ValueError(f"number {number}")
        later.__cause__ = error
        error = later
    error.__cause__.__cause__.__cause__ = error  # type: ignore[union-attr]

    assert "number 999" in traceback_of(error)
    assert len(traceback_of(error)) < 1.1 * errors.LONGEST_TOLD


def test_a_class_whose_name_cannot_be_had_is_an_exception() -> None:
    class Nameless(type):
        def __getattribute__(cls, name: str) -> NoReturn:
            raise RuntimeError("I have no name.")

    error = Nameless("Hidden", (Exception,), {})("told")

    assert (kind_of(error), message_of(error)) == ("Exception", "told")
    assert "told" in traceback_of(raised(error))
