"""What a client asks for. The client does it, and the audit knows it from here: neither asks the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """One call of `tests.chaos.tasks.count`."""

    label: str
    delay: float = 0.0
    """Seconds."""
    undone: bool = False
    """Its transaction is rolled back, so it may leave nothing."""


def calls_of(client: str, count: int) -> Iterator[Call]:
    """`count` calls that are kept, each fourth of them delayed, and after each tenth one that is undone."""
    for number in range(count):
        yield Call(f"{client}:{number}", delay=number % 3 / 2 if number % 4 == 0 else 0.0)
        if number % 10 == 0:
            yield Call(f"{client}:{number}:undone", undone=True)
