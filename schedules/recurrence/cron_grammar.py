"""Cron expressions: what is accepted, and which values each field asks for.

The grammar is ours and strict, so that an error can name the field, what stands there and what is expected;
expanding spans and drawing `H` is left to croniter, which only ever sees items that were checked and
normalized. On which days and at which instants the fields match is decided elsewhere: this file knows no
calendar, no zone and no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from schedules.recurrence.cron_elsewhere import OF_OTHERS, longer_interval
from schedules.recurrence.cron_fields import (
    DAY,
    FIVE_FIELDS,
    HOUR,
    LAST_WEEK,
    MINUTE,
    MONTH,
    SECOND,
    SHORTEST_MONTH,
    SIX_FIELDS,
    WEEKDAY,
    CronFields,
    Field,
    Written,
)
from schedules.recurrence.invalid import InvalidRecurrence, shown

LONGEST_EXPRESSION = 1000
LONGEST_ITEM_SHOWN = 20
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

PRINTABLE = re.compile(r"[\t -~]*")
SPAN = re.compile(r"(?P<low>\*|\w+)(-(?P<high>\w+))?(/(?P<step>\d+))?")
DRAW = re.compile(r"h(\((?P<low>\d+)-(?P<high>\d+)\))?(/(?P<step>\d+))?")
FROM_THE_END = re.compile(r"l-\d+")
RANDOM = re.compile(r"r(\(.*)?(/.*)?")
NTH_WEEKDAY = re.compile(r"(?P<weekday>\w+)#(?P<nth>\w+)")
LAST_WEEKDAY = re.compile(r"(?P<before>\d|[a-z]{3,9})l|l(?P<after>\d|[a-z]{3,9})")


def parse(expression: object, name: str = "") -> CronFields:
    """What the expression asks for. `H` draws its values from `name`, the schedule's."""
    text = _printable(expression)
    return _parse(text, name if may_draw(text) else "")


def _printable(expression: object) -> str:
    if not isinstance(expression, str):
        raise InvalidRecurrence(f'{shown(expression)} is not a cron expression: expected text like "30 2 * * *".')
    if len(expression) > LONGEST_EXPRESSION:
        raise InvalidRecurrence(
            f"{shown(expression)} is too long for a cron expression: it has {len(expression)} characters, "
            f"and {LONGEST_EXPRESSION} are allowed."
        )
    if not PRINTABLE.fullmatch(expression):
        raise InvalidRecurrence(
            f"{shown(expression)} is not a cron expression: expected ASCII characters, spaces and tabs."
        )
    return expression


def may_draw(expression: str) -> bool:
    """False spares a schedule with a name of its own the parsing of what another has already."""
    return "h" in expression.lower()


@lru_cache(maxsize=4096)
def _parse(expression: str, name: str) -> CronFields:
    written = _split(expression)
    values = _expanded({field: _spans(written[field], name) for field in SIX_FIELDS})
    return CronFields(
        seconds=values[SECOND],
        minutes=values[MINUTE],
        hours=values[HOUR],
        days=values[DAY],
        last_day="l" in written[DAY].items,
        months=values[MONTH],
        weekdays=values[WEEKDAY],
        nth_weekdays=_nth_weekdays(written[WEEKDAY]),
        either_day=not any(written[field].starts_with_star for field in (DAY, WEEKDAY)),
        wildcard=any(written[field].starts_with_star for field in (SECOND, MINUTE, HOUR)),
    )


def _split(expression: str) -> Mapping[Field, Written]:
    for is_of_others in OF_OTHERS:
        if meant := is_of_others(expression):
            raise InvalidRecurrence(f"{shown(expression)} {meant}")
    words = _without_alias(expression).lower().split()
    if len(words) not in (len(FIVE_FIELDS), len(SIX_FIELDS)):
        raise InvalidRecurrence(
            f"{shown(expression)} has {len(words)} fields: expected 5 (minute hour day-of-month month "
            f"day-of-week) or 6 (seconds first); there is none for the year."
        )
    fields = FIVE_FIELDS if len(words) == len(FIVE_FIELDS) else SIX_FIELDS
    on_the_minute = {SECOND: Written(SECOND, "0", 0, expression)}
    return on_the_minute | {
        field: Written(field, _without_question_mark(field, word), number, expression)
        for number, (field, word) in enumerate(zip(fields, words, strict=True), start=1)
    }


def _without_alias(expression: str) -> str:
    alias = expression.strip().lower()
    if not alias.startswith("@"):
        return expression
    if alias == "@reboot":
        raise InvalidRecurrence('"@reboot" is not supported: a schedule does not depend on when a process starts.')
    if alias not in ALIASES:
        raise InvalidRecurrence(f"{shown(expression)} is not an alias: expected one of {', '.join(ALIASES)}.")
    return ALIASES[alias]


def _without_question_mark(field: Field, word: str) -> str:
    return "*" if word == "?" and field in (DAY, WEEKDAY) else word


def _spans(written: Written, name: str) -> list[str]:
    """The items of a field that croniter is to expand, in the normal form that it reads as we do."""
    plain = (item for item in written.items if not _needs_calendar(written, item))
    return [span for item in plain for span in _normalized(written.field, *_bounds(written, item, name))]


def _needs_calendar(written: Written, item: str) -> bool:
    if written.field is DAY:
        return item == "l"
    return written.field is WEEKDAY and bool(NTH_WEEKDAY.fullmatch(item) or LAST_WEEKDAY.fullmatch(item))


def _counts_back(written: Written, item: str) -> bool:
    return written.field is DAY and bool(FROM_THE_END.fullmatch(item))


def _bounds(written: Written, item: str, name: str) -> tuple[int, int, int]:
    """The first value, the last one that is allowed, and the step."""
    if draw := DRAW.fullmatch(item):
        return _drawn_bounds(written, draw, name)
    span = SPAN.fullmatch(item)
    if span is None or (span["low"] == "*" and span["high"]) or _counts_back(written, item):
        raise _not_understood(written, item)
    step = _step(written, span["step"])
    if span["low"] == "*":
        return written.field.low, written.field.high, step
    low = _number(written, span["low"])
    if span["high"]:
        return _ascending(written, item, low, _number(written, span["high"]), step)
    return _ascending(written, item, low, written.field.high if span["step"] else low, step)


def _drawn_bounds(written: Written, draw: re.Match[str], name: str) -> tuple[int, int, int]:
    if not name:
        raise written.error(
            '"H" is drawn from the name of the schedule, which is not given (name="…"; --name with list_schedule),'
        )
    step = _step(written, draw["step"])
    low, high = written.field.low, SHORTEST_MONTH if written.field is DAY else written.field.high
    if draw["low"]:
        low, high = _number(written, draw["low"]), _number(written, draw["high"])
        _ascending(written, draw[0], low, high, step)
    if not draw["step"]:
        drawn = _drawn(written.field, low, high, name)
        return drawn, drawn, 1
    return _drawn(written.field, low, min(low + step - 1, high), name), high, step


def _drawn(field: Field, low: int, high: int, name: str) -> int:
    from croniter import croniter  # its import runs a subprocess and costs 40 ms

    if low == high:  # croniter refuses to draw from one value
        return low
    items = ["0", "0", "1", "1", "0", "0"]
    items[field.place] = f"h({low}-{high})"
    expanded, _ = croniter.expand(" ".join(items), hash_id=name.encode("utf-8", "surrogatepass"))
    drawn = int(expanded[field.place][0])
    return drawn if drawn >= low else field.highest  # a drawn weekday 7 comes back as 0


def _number(written: Written, word: str) -> int:
    field = written.field
    if (named := field.named(word)) is not None:
        return named
    if not word.isdigit():
        raise _not_understood(written, word)
    number = int(word)
    if not field.low <= number <= field.highest:
        raise written.error(f"{_short(word)} is out of range")
    return number


def _step(written: Written, digits: str | None) -> int:
    step = 1 if digits is None else int(digits)
    if not 1 <= step <= written.field.size:
        problem = f"step {_short(digits or '')} is not one of 1-{written.field.size}"
        raise written.error(problem, longer_interval(written.field.name, step))
    return step


def _ascending(written: Written, item: str, low: int, high: int, step: int) -> tuple[int, int, int]:
    if low <= high:
        return low, high, step
    hint = " (the Sunday that ends a range is 7)" if written.field is WEEKDAY else ""
    raise written.error(f'"{_short(item)}" ends before it begins{hint}')


def _normalized(field: Field, low: int, high: int, step: int) -> Iterator[str]:
    """A span as croniter reads it rightly.

    To croniter an equal range is the whole field, and a range that ends on weekday 7 runs backwards.
    """
    if high > field.high:
        if (high - low) % step == 0:
            yield str(field.low)
        high = field.high
    if low <= high:
        yield str(low) if low + step > high else f"{low}-{high}/{step}"


def _not_understood(written: Written, item: str) -> InvalidRecurrence:
    return written.error(f'"{_short(item)}" {_why_not_understood(written.field, item)}')


def _why_not_understood(field: Field, item: str) -> str:
    if RANDOM.fullmatch(item):
        return "would be drawn anew at every start (use H, which is stable)"
    if field is DAY and "w" in item:
        return "asks for the nearest working day, which is not supported"
    if FROM_THE_END.fullmatch(item):
        return "counts back from the end of the month, which is not supported (give L, or a day that every month has)"
    if field is WEEKDAY and "l" in item:
        return "is not understood (the last Friday of a month is 5L or L5)"
    return "is not understood"


def _short(item: str) -> str:
    return item if len(item) <= LONGEST_ITEM_SHOWN else item[:LONGEST_ITEM_SHOWN] + "…"


def _expanded(spans: Mapping[Field, list[str]]) -> Mapping[Field, tuple[int, ...]]:
    from croniter import croniter  # its import runs a subprocess and costs 40 ms

    fields = sorted(spans, key=lambda field: field.place)
    # A field without spans still needs its place; its values are dropped below.
    expanded, _ = croniter.expand(" ".join(",".join(spans[field] or ["*"]) for field in fields))
    return {
        field: _in_order(field, values) if spans[field] else () for field, values in zip(fields, expanded, strict=True)
    }


def _in_order(field: Field, values: list[int | str]) -> tuple[int, ...]:
    if values == ["*"]:
        return tuple(range(field.low, field.high + 1))
    return tuple(sorted(int(value) for value in values))


def _nth_weekdays(written: Written) -> tuple[tuple[int, int], ...]:
    found = set()
    for item in written.items:
        if nth := NTH_WEEKDAY.fullmatch(item):
            found.add((_weekday(written, nth["weekday"]), _week(written, nth["nth"])))
        elif last := LAST_WEEKDAY.fullmatch(item):
            found.add((_weekday(written, last["before"] or last["after"]), LAST_WEEK))
    return tuple(sorted(found))


def _weekday(written: Written, word: str) -> int:
    return _number(written, word) % written.field.size


def _week(written: Written, digits: str) -> int:
    if digits not in ("1", "2", "3", "4", "5"):
        raise written.error(f'"#{_short(digits)}" is not a week of the month (1-5)')
    return int(digits)
