"""The one error of the pure modules about time, and how its message shows what was given."""

from __future__ import annotations

from worker.messages.echo import one_line, quoted


class InvalidRecurrence(ValueError):
    """What was given does not say when something recurs.

    The message says what was given, where it is wrong and what is expected.
    """

    __module__ = "schedules.recurrence"


def shown(given: object) -> str:
    """A text in quotes, and of anything else its type: what stands where a text is expected opens the sentence."""
    return quoted(given) if isinstance(given, str) else f"A value of type {one_line(type(given).__name__)}"


def check_text(given: object) -> None:
    """Raises InvalidRecurrence unless it is a text."""
    if not isinstance(given, str):
        raise InvalidRecurrence(f"{shown(given)} is not text, which a recurrence needs here.")
