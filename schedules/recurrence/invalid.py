"""The one error of the pure modules about time, and how much of a bad input its message may echo."""

from __future__ import annotations

ECHOED = 60
"""Characters of the input that a message repeats; the input may have a million."""


class InvalidRecurrence(ValueError):
    """What was given does not say when something recurs.

    The message says what was given, where it is wrong and what is expected.
    """


def shown(given: object, limit: int = ECHOED) -> str:
    """`given`, fit for one line of a message: quoted, cut short, free of control characters."""
    if not isinstance(given, str):
        return f"A value of type {type(given).__name__[:limit]}"
    printable = given[:limit].encode("unicode_escape").decode("ascii")[:limit]
    return f'"{printable}"' if len(given) <= limit else f'"{printable}…"'


def check_text(given: object) -> None:
    """Raises InvalidRecurrence unless it is a text."""
    if not isinstance(given, str):
        raise InvalidRecurrence(f"{shown(given)} stands where a recurrence has text.")
