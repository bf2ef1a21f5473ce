"""Texts that the project's codec has made unreadable before they were stored, and how they are told from plain ones.

It knows no codec: `worker.codec` says how such a text is opened.
"""

from __future__ import annotations

from collections.abc import Callable

SEAL = "encoded:"
"""So begins what a codec has made. No text of JSON does."""


class InvalidArguments(TypeError):
    """An argument could not be stored, or would come back as something else."""

    __module__ = "worker.api"


class CannotDecode(InvalidArguments):
    """The project's codec does not decode a stored text here. In a process with another key it may."""

    __module__ = "worker.api"


def opened(text: str) -> str:
    """The text as it was before a codec encoded it. A plain one is left as it is. Raises CannotDecode."""
    return _open(text.removeprefix(SEAL)) if text.startswith(SEAL) else text


def open_with(opener: Callable[[str], str]) -> None:
    """What opens them from now on: given a text without its seal, it returns the plain one, or raises CannotDecode."""
    global _open
    _open = opener


def _cannot(text: str) -> str:
    raise CannotDecode("It is encoded, and this process has not loaded Django's apps, so it has no codec.")


_open: Callable[[str], str] = _cannot
