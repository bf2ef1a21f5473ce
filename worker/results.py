"""What a task returned, as history keeps it: a JSON text, made where the job runs, before its success is recorded."""

from __future__ import annotations

from typing import Any

from worker.arguments import InvalidArguments, decode_value, encode_value

LONGEST = 2**20
"""Characters of the text."""
_NAME = "the return value"


def encode(value: Any) -> str:
    """The rules are those of arguments. It is one line, of ASCII.

    Raises TypeError for what is not JSON, would come back as something else, or is longer than `LONGEST`.
    """
    try:
        text = encode_value(value, _NAME)
    except InvalidArguments as fault:
        raise TypeError(f"The result cannot be kept: {fault}") from None
    if len(text) > LONGEST:
        raise TypeError(
            f"The result cannot be kept: it is a text of {len(text)} characters, and at most {LONGEST} are allowed. "
            "Store it elsewhere, and return its name or key."
        )
    return text


def decode(text: str) -> Any:
    """The value of such a text. Raises InvalidArguments for any other."""
    return decode_value(text, _NAME)
