"""What an output stream can show (width, colours, signs), and text made fit for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.management.base import OutputWrapper
from django.core.management.color import Style, color_style, no_style
from django.utils.termcolors import colorize

from worker.signs import SIGNS, Tone

COLOURS = {
    Tone.GOOD: "green",
    Tone.BAD: "red",
    Tone.BUSY: "blue",
    Tone.COMING: "magenta",
    Tone.CONCERN: "yellow",
    Tone.QUIET: None,
}
GLYPHS = "".join({sign.glyph for sign in SIGNS.values()} | set("–·…→"))
JOINERS = "\u200c\u200d"
"""Parts of letters in several scripts, and of emoji."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What can be shown. As it stands: a pipe, with words for glyphs, no colours, and nothing cut off."""

    width: int | None = None
    """Columns of the terminal; None: a pipe."""
    glyphs: bool = False
    colour: bool = False


def screen_of(stream: OutputWrapper, options: Mapping[str, Any]) -> Screen:
    """`options`: those of the command, of which --no-color and --force-color have a say."""
    is_terminal = stream.isatty()
    has_colour = is_terminal and not os.environ.get("NO_COLOR") and not options["no_color"]
    return Screen(
        width=shutil.get_terminal_size().columns if is_terminal else None,
        glyphs=is_terminal and _can_show_glyphs(_encoding(stream)),
        colour=has_colour or options["force_color"],
    )


def colours_of(screen: Screen) -> Style:
    """Django's, which DJANGO_COLORS may change, also where another stream than standard output is the terminal."""
    return color_style(force_color=True) if screen.colour else no_style()


def write(stream: OutputWrapper, lines: Iterable[str]) -> None:
    encoding = _encoding(stream)
    for line in lines:
        stream.write(line.encode(encoding, "replace").decode(encoding))


def coloured(text: str, tone: Tone, screen: Screen) -> str:
    colour = COLOURS[tone]
    return colorize(text, fg=colour) if screen.colour and colour else text


def bold(text: str, screen: Screen) -> str:
    return colorize(text, opts=("bold",)) if screen.colour else text


def clean(text: str) -> str:
    """On one line, and without what a terminal would obey instead of show.

    One sign stands for each such letter, and not its escape as in messages: a cell has little room, and nobody types
    what it shows.
    """
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(map(_shown, line))


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _shown(letter: str) -> str:
    return letter if letter.isprintable() or letter in JOINERS else "?"


def _encoding(stream: OutputWrapper) -> str:
    return getattr(stream, "encoding", None) or "utf-8"


def _can_show_glyphs(encoding: str) -> bool:
    try:
        GLYPHS.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
