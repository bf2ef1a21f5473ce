"""What a value must be: the words for it in a message, and whether it is. The caller raises the error."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import TypeGuard

from worker.messages.echo import echo

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""What may be named as an instant. Every database keeps these, and no reckoning from them leaves the calendar."""

LONGEST_TEXT = 255
GREATEST_ID = 2**63 - 1

A_FLAG = "True or False"
A_SHORT_TEXT = f"a text of at most {LONGEST_TEXT} printable characters"
AN_INSTANT = "an aware datetime from the year 1970 to 9000"


def must_be(what: str, value: object, expected: str) -> str:
    """The sentence that refuses a value."""
    return f"{what} is {echo(value)}, but must be {expected}."


def a_whole_number(least: int, most: int) -> str:
    return f"a whole number from {least} to {most}"


def is_whole(value: object, least: float = -inf, most: float = inf) -> TypeGuard[int]:
    """Whether it is a whole number in that range, limits included. True and False are no numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_number(value: object, least: float, most: float) -> TypeGuard[float]:
    """The same of any number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def is_instant(value: object) -> TypeGuard[datetime]:
    return isinstance(value, datetime) and value.utcoffset() is not None and EARLIEST <= value <= LATEST


def is_short_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()
