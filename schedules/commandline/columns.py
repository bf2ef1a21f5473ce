"""Lay out cells in columns that fit a terminal. The caller decides what is in them.

Widths are those that a terminal shows: a letter of East Asia or an emoji takes two columns, an accent none. A text that
is too long is cut between two characters as people see them, and marked. If that is not enough, whole columns are left
out, with their heads.
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
    spared: int | None = None
    """Where all have given way and it is still too wide, the column with the lowest is left out. None: it never is."""
    dotted: bool = False
    """Whether the end of its texts tells most, so that they are cut at their beginning."""
    optional: bool = False
    """Whether it is left out where no row has a text in it."""


@dataclass(frozen=True, slots=True)
class Cell:
    text: str = ""
    tone: Tone = Tone.QUIET


Row = tuple[Cell, ...]


def laid_out(columns: Sequence[Column], rows: Sequence[Row], screen: Screen, *, indent: int = 0) -> Iterator[str]:
    """A line of heads and one for each row. `indent`: how many columns of the terminal the caller puts before them."""
    lines = [tuple(Cell(column.head) for column in columns), *rows]
    widths = [_natural(column, cells) for column, cells in zip(columns, zip(*lines, strict=True), strict=True)]
    if screen.width is not None:
        widths = _fitted(columns, widths, screen.width - indent)
    for line in lines:
        cells = zip(line, widths, columns, strict=True)
        yield GAP.join(_padded(cell, width, column, screen) for cell, width, column in cells if width).rstrip()


def wrapped(text: str, screen: Screen, *, indent: int) -> Sequence[str]:
    """The text in lines that fit, each of which will be indented so far. In a pipe it is one line, for grep."""
    if screen.width is None:
        return [text]
    width = max(screen.width - indent, NARROWEST)
    return wcwidth.wrap(text, width, break_on_hyphens=False) or [""]


def hanging(label: str, text: str, screen: Screen) -> Iterator[str]:
    """The label, and beside it the text in lines that stand below each other."""
    indent = wcwidth.width(label)
    head, *rest = wrapped(text, screen, indent=indent)
    yield f"{label}{head}"
    yield from (f"{' ' * indent}{line}" for line in rest)


def _natural(column: Column, cells: Row) -> int:
    """What its widest cell takes, of which the first is the head."""
    head, *texts = [wcwidth.width(cell.text) for cell in cells]
    return 0 if column.optional and not any(texts) else max(head, *texts)


def _fitted(columns: Sequence[Column], widths: Sequence[int], available: int) -> list[int]:
    """The width of each column; 0: it is left out."""
    spared = sorted((column.spared, number) for number, column in enumerate(columns) if column.spared is not None)
    natural, left_out = list(widths), iter(spared)
    while _excess(fitted := _narrowed(columns, natural, available), available) > 0:
        _, number = next(left_out, (None, None))
        if number is None:
            break
        natural[number] = 0
    return fitted


def _narrowed(columns: Sequence[Column], widths: Sequence[int], available: int) -> list[int]:
    narrowed = list(widths)
    for number, column in sorted(enumerate(columns), key=lambda each: each[1].turn):
        excess = _excess(narrowed, available)
        if column.least is not None and excess > 0:
            narrowed[number] = max(min(column.least, narrowed[number]), narrowed[number] - excess)
    return narrowed


def _excess(widths: Sequence[int], available: int) -> int:
    shown = [width for width in widths if width]
    return sum(shown) + len(GAP) * (len(shown) - 1) - available


def _padded(cell: Cell, width: int, column: Column, screen: Screen) -> str:
    text = cell.text if wcwidth.width(cell.text) <= width else _cut(cell.text, width, column, screen)
    return coloured(text, cell.tone, screen) + " " * (width - wcwidth.width(text))


def _cut(text: str, width: int, column: Column, screen: Screen) -> str:
    ellipsis = "…" if screen.glyphs else "..."
    room = width - len(ellipsis)
    if column.dotted:
        whole = wcwidth.width(text)
        return f"{ellipsis}{wcwidth.clip(text, whole - room, whole).lstrip()}"
    return f"{wcwidth.clip(text, 0, room).rstrip()}{ellipsis}"
