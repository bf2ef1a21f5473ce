"""The known name that somebody may have meant. It decides what is near, and does not know what the names are."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 255
"""A longer text is near to no name, and would take long to compare."""


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The nearest of the known names. None: none is near."""
    near = get_close_matches(name, list(known), n=1) if isinstance(name, str) and len(name) <= LONGEST else []
    return near[0] if near else None
