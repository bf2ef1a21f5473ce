"""What a task returned, as history keeps it: a JSON text, made where the job runs, before its success is recorded."""

from __future__ import annotations

from typing import Any, NamedTuple

from worker.arguments import InvalidArguments, decode_value, encode_plain, encode_value
from worker.arguments.sealed import opened

LONGEST = 2**20
"""Characters of the text."""
_NAME = "the return value"


class Encoded(NamedTuple):
    """What a task may return that knows the text of its result already, by rules of its own."""

    value: Any
    text: str


def encode(value: Any) -> str:
    """The rules are those of arguments. It is one line, of ASCII.

    Raises TypeError for what is not JSON, would come back as something else, or is longer than `LONGEST`.
    """
    try:
        text = encode_value(value, _NAME)
    except InvalidArguments as fault:
        raise TypeError(f"The result cannot be kept: {fault}") from None
    return _not_too_long(text)


def encode_if_plain(value: Any) -> str | None:
    """The same of a value that JSON has. None: it is something else. Raises TypeError for what is too long."""
    return None if (text := encode_plain(value)) is None else _not_too_long(text)


def decode(text: str) -> Any:
    """The value of such a text, whether it was encoded since. Raises InvalidArguments for any other; CannotDecode."""
    return decode_value(opened(text), _NAME)


def _not_too_long(text: str) -> str:
    if len(text) > LONGEST:
        raise TypeError(
            f"The result cannot be kept: it is a text of {len(text)} characters, and at most {LONGEST} are allowed. "
            "Store it elsewhere, and return its name or key."
        )
    return text
