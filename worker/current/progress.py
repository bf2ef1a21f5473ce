"""How far a task is: what it may tell, and what others read. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from numbers import Real
from typing import NamedTuple

from worker.messages.echo import printable
from worker.messages.expected import LONGEST_TEXT, must_be

A_NUMBER = "a finite number from 0 on"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job was when its task last told it."""

    done: float
    """A whole number is an int."""
    total: float | None
    """None: the task does not know how much there is. It may be less than `done`, where that was an estimate."""
    note: str
    at: datetime
    """When the task told it."""
    attempt: int
    """In which attempt, from 1. A later one that has told nothing yet may be further on, or not as far."""

    @property
    def fraction(self) -> float | None:
        """What is done of the total, from 0.0 to 1.0. None: nobody knows the total, or it is 0."""
        return min(1.0, self.done / self.total) if self.total else None


Progress.__module__ = "worker.api"  # not in its body: to make a dataclass, Python looks for that module


class Told(NamedTuple):
    """What a task says, fit for the columns that keep it."""

    done: float
    total: float | None
    note: str


def told(done: object, total: object, note: object) -> Told:
    """Raises TypeError for what is no number or no text, and ValueError for numbers that say nothing.

    A note is cut and escaped instead: it is often made of data, and no job should fail for a long name.
    """
    if not isinstance(note, str):
        raise TypeError(must_be("note", note, "a short text"))
    return Told(_number("done", done), None if total is None else _number("total", total), _short(note))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        raise TypeError(must_be(name, value, A_NUMBER))
    try:
        number = float(value)
    except (OverflowError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(must_be(name, value, A_NUMBER))
    return number


def _short(note: str) -> str:
    line = printable(note[: LONGEST_TEXT + 1])
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"
