"""How a message repeats a given value: on one line, cut short, and without failing.

A value may have a megabyte, or a `__repr__` that raises.
"""

from __future__ import annotations

ECHOED = 80
"""The most characters of a value that a message repeats."""


def echo(value: object) -> str:
    """The repr of the value, or its type where it has none."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  the class of the value is somebody else's, and the message is about the value
        text = f"a value of type {type(value).__name__}"
    return one_line(text)


def quoted(value: object) -> str:
    """In double quotes, as a name is told, whether or not it is the text that a name should be."""
    return f'"{one_line(value) if isinstance(value, str) else echo(value)}"'


def printable(text: str, but: str = "") -> str:
    """With escapes for what a terminal, a log or a page would obey instead of show; `but` for those letters."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in but else _escape(each) for each in text)


def one_line(text: str, limit: int = ECHOED) -> str:
    """The beginning of the text, with escapes for what a terminal or a log could not show."""
    line = printable(text[:limit])
    return f"{line[:limit]}…" if len(text) > limit or len(line) > limit else line


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
