"""What a task may tell of how far it is, and what is made of that. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from worker.api import Progress
from worker.current.progress import told
from worker.messages.expected import LONGEST_TEXT


@pytest.mark.parametrize(
    ("given", "number"), [(0, 0), (0.5, 0.5), (10**20, 1e20), (Decimal("1.5"), 1.5), (Fraction(1, 4), 0.25)]
)
def test_numbers_of_every_kind_may_be_told(given: Any, number: float) -> None:
    assert told(given, given, "")[:2] == (number, number)


@pytest.mark.parametrize("given", [-1, -0.1, math.nan, math.inf, 10**400, Decimal("sNaN")], ids=repr)
def test_a_number_that_says_nothing_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^done is .+, but must be a finite number from 0 on"):
        told(given, None, "")
    with pytest.raises(ValueError, match=r"^total is"):
        told(0, given, "")


@pytest.mark.parametrize("given", [True, "1", None, 1j, object()], ids=repr)
def test_what_is_no_number_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"^done is .+, but must be a finite number from 0 on"):
        told(given, None, "")


@pytest.mark.parametrize("given", [None, 7, b"bytes"], ids=repr)
def test_a_note_is_a_text(given: Any) -> None:
    with pytest.raises(TypeError, match=r"^note is .+, but must be a short text"):
        told(1, None, given)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("x" * LONGEST_TEXT, "x" * LONGEST_TEXT),
        ("x" * (LONGEST_TEXT + 1), "x" * (LONGEST_TEXT - 1) + "…"),
        ("x" * 10**6, "x" * (LONGEST_TEXT - 1) + "…"),
        ("a\0b\x1b[31m\ud800", r"a\x00b\x1b[31m\ud800"),
        ("\0" * LONGEST_TEXT, (r"\x00" * LONGEST_TEXT)[: LONGEST_TEXT - 1] + "…"),
    ],
    ids=["fits", "a letter more", "long", "escaped", "escaped and long"],
)
def test_a_note_is_escaped_and_cut_instead_of_being_refused(given: str, kept: str) -> None:
    assert told(1, None, given).note == kept


@pytest.mark.parametrize(
    ("done", "total", "fraction"), [(1, 4, 0.25), (4, 4, 1.0), (5, 4, 1.0), (0, 4, 0.0), (1, None, None), (0, 0, None)]
)
def test_a_fraction_is_of_a_known_total_and_at_most_one(
    done: float, total: float | None, fraction: float | None
) -> None:
    assert Progress(done, total, "", datetime(2026, 1, 1, tzinfo=UTC), 1).fraction == fraction
