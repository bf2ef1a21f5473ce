"""The fields of a cron expression: their names, bounds and words, a field as it was written, and what all ask for.

What may stand in a field is decided in `cron_grammar`.
"""

from __future__ import annotations

from dataclasses import dataclass

from schedules.recurrence.invalid import InvalidRecurrence, shown

LAST_WEEK = 0
"""Stands where the number of a week in its month stands: the last one."""
SHORTEST_MONTH = 28
"""Days that every month has. `H` draws one of them."""

MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WEEKDAY_NAMES = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
SHORT_NAME = 3
"""Letters of a name that will do. All of them will do, too."""


@dataclass(frozen=True, slots=True)
class CronFields:
    """What an expression asks for: the values of each field in order; weekday 0 is Sunday."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    last_day: bool
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    nth_weekdays: tuple[tuple[int, int], ...]
    """Pairs of a weekday and its number in the month: 1-5, or LAST_WEEK."""
    either_day: bool
    """Matching one of the two day fields is enough; otherwise a day must match both."""
    wildcard: bool
    """A time field starts with `*`: the expression means a rhythm, not fixed times."""


@dataclass(frozen=True, slots=True)
class Field:
    """One of the six fields: its name, its bounds, and its place among croniter's."""

    name: str
    low: int
    high: int
    place: int
    names: tuple[str, ...] = ()

    @property
    def highest(self) -> int:
        """The highest number that may be written: 7 is the other name of weekday 0."""
        return 7 if self is WEEKDAY else self.high

    @property
    def bounds(self) -> str:
        """What may be written, as a message tells it."""
        numbers = f"{self.low}-{self.highest}"
        return f"{numbers} or {self._short(0)}-{self._short(-1)}" if self.names else numbers

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    def named(self, word: str) -> int | None:
        """The value that goes by this name, or by its first letters."""
        for value, name in enumerate(self.names, start=self.low):
            if word in (name, name[:SHORT_NAME]):
                return value
        return None

    def _short(self, index: int) -> str:
        return self.names[index][:SHORT_NAME]


MINUTE = Field("minute", 0, 59, 0)
HOUR = Field("hour", 0, 23, 1)
DAY = Field("day-of-month", 1, 31, 2)
MONTH = Field("month", 1, 12, 3, MONTH_NAMES)
WEEKDAY = Field("day-of-week", 0, 6, 4, WEEKDAY_NAMES)
SECOND = Field("second", 0, 59, 5)
FIVE_FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)
SIX_FIELDS = (SECOND, *FIVE_FIELDS)


@dataclass(frozen=True, slots=True)
class Written:
    """A field as it was written, in lower case, and where: enough to read it and to complain about it."""

    field: Field
    text: str
    number: int
    expression: str

    @property
    def items(self) -> list[str]:
        return self.text.split(",")

    @property
    def starts_with_star(self) -> bool:
        return self.text.startswith("*")

    def error(self, problem: str, instead: str = "") -> InvalidRecurrence:
        """`instead`: a sentence with what would do."""
        sentence = (
            f"{self.field.name} {problem} in {shown(self.expression)} ({self.field.bounds}, field {self.number})."
        )
        return InvalidRecurrence(f"{sentence} {instead}".rstrip())
