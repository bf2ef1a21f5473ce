"""Columns as a terminal shows them, whatever is written in them."""

from __future__ import annotations

import pytest

from schedules.commandline.columns import Cell, Column, laid_out, wrapped
from schedules.commandline.terminal import Screen, clean

PIPE = Screen()
COLUMNS = (Column("NAME", least=4), Column("END"))
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1eb\U0001f1f7"
THUMB = "\U0001f44d\U0001f3fd"
HEART = "\u2764\ufe0f"
LETTERS = [("e\u0301", 1), ("n\u0303\u0323", 1), ("漢", 2), (FAMILY, 2), (FLAG, 2), (THUMB, 2), (HEART, 2), ("한", 2)]
"""What people see as one letter, and how many columns it takes."""


def end_of(name: str, screen: Screen = PIPE) -> tuple[str, str]:
    """What stands before the second column, and the padding that leads there."""
    _, line = laid_out(COLUMNS, [(Cell(name), Cell("x"))], screen)
    written = line.removesuffix("x")
    return written.rstrip(), written[len(written.rstrip()) :]


@pytest.mark.parametrize(("letter", "width"), LETTERS)
def test_columns_stand_below_each_other_whatever_letters_are_made_of(letter: str, width: int) -> None:
    _, padding = end_of(letter * 6)

    assert len(padding) == 2
    (head, *_) = laid_out(COLUMNS, [(Cell(letter * 6), Cell("x"))], PIPE)
    assert head == "NAME" + " " * (6 * width - 4 + 2) + "END"


@pytest.mark.parametrize(("letter", "width"), LETTERS)
def test_a_text_that_is_too_long_is_cut_between_letters(letter: str, width: int) -> None:
    shown, padding = end_of(letter * 20, Screen(width=14, glyphs=True))

    assert shown.endswith("…")
    whole = shown.removesuffix("…")
    assert whole == letter * (8 // width)
    assert len(padding) == 2 + 8 % width


def test_words_that_are_wrapped_keep_within_the_width_that_is_seen() -> None:
    lines = wrapped("漢字 の 名前 が とても 長い スケジュール e\u0301te\u0301", Screen(width=24), indent=4)

    assert lines == ["漢字 の 名前 が", "とても 長い", "スケジュール e\u0301te\u0301"]


def test_joined_letters_reach_the_terminal_and_what_it_would_obey_does_not() -> None:
    assert clean(f"{FAMILY} می\u200cخواهم") == f"{FAMILY} می\u200cخواهم"
    assert clean("a\x1b[2J\u202eb\u200bc\n d") == "a?[2J?b?c d"
