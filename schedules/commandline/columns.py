"""Cells in columns, fitted to a terminal. What stands in them is the business of whoever fills them.

Widths are those that a terminal shows: a letter of East Asia or an emoji takes two columns, an accent none. A text that
is too long is cut between what people see as letters, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import wcwidth

from schedules.commandline.terminal import Screen, coloured
from worker.signs import Tone

GAP = "  "
NARROWEST = 20
"""No text is wrapped into less than that."""


@dataclass(frozen=True, slots=True)
class Column:
    head: str
    least: int | None = None
    """On a narrow terminal it gives way down to this width. None: it never does."""
    turn: int = 0
    """The lowest gives way first."""


@dataclass(frozen=True, slots=True)
class Cell:
    text: str = ""
    tone: Tone = Tone.QUIET


Row = tuple[Cell, ...]


def laid_out(columns: Sequence[Column], rows: Sequence[Row], screen: Screen, *, indent: int = 0) -> Iterator[str]:
    """A line of heads and one for each row. `indent`: how many columns of the terminal the caller puts before them."""
    lines = [tuple(Cell(column.head) for column in columns), *rows]
    widths = [max(wcwidth.width(cell.text) for cell in column) for column in zip(*lines, strict=True)]
    if screen.width is not None:
        widths = _fitted(columns, widths, screen.width - indent)
    for line in lines:
        yield GAP.join(_padded(cell, width, screen) for cell, width in zip(line, widths, strict=True)).rstrip()


def wrapped(text: str, screen: Screen, *, indent: int) -> Sequence[str]:
    """The text in lines that fit, each of which will be indented so far. In a pipe it is one line, for grep."""
    if screen.width is None:
        return [text]
    width = max(screen.width - indent, NARROWEST)
    return wcwidth.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _fitted(columns: Sequence[Column], widths: Sequence[int], available: int) -> list[int]:
    fitted = list(widths)
    for number, column in sorted(enumerate(columns), key=lambda each: each[1].turn):
        excess = sum(fitted) + len(GAP) * (len(fitted) - 1) - available
        if column.least is not None and excess > 0:
            fitted[number] = max(min(column.least, fitted[number]), fitted[number] - excess)
    return fitted


def _padded(cell: Cell, width: int, screen: Screen) -> str:
    text = cell.text
    if wcwidth.width(text) > width:
        ellipsis = "…" if screen.glyphs else "..."
        text = f"{wcwidth.clip(text, 0, width - len(ellipsis)).rstrip()}{ellipsis}"
    return coloured(text, cell.tone, screen) + " " * (width - wcwidth.width(text))
