"""Values in portions that fit into one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

MOST_CHARACTERS = 4 * 2**20
"""MariaDB takes no statement of more than 16 MiB, unless it is told to."""

Value = TypeVar("Value")


def portions(values: Sequence[Value], most: int, longest: int = 0) -> Iterator[Sequence[Value]]:
    """At most `most` values each, and fewer where the text of one of them has up to `longest` characters."""
    size = max(1, min(most, MOST_CHARACTERS // max(1, longest)))
    return (values[start : start + size] for start in range(0, len(values), size))
