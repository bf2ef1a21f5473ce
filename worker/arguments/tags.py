"""Tags: everyday values that JSON does not have, as JSON: a date → `{"$date": "2026-12-24"}`, and back.

A dictionary with one key that begins with `$` is a tag. A user's own dictionary of that form is put into `{"$": …}`.
Reading a tag makes one of these values and nothing else: no row can name a class or a module.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from datetime import timezone as fixed_offset
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from worker.messages.echo import echo, quoted

SIGN = "$"


class InvalidTag(ValueError):
    """What stands there is no tag that was written here."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of values, and the text of each."""

    name: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]
    example: str


def is_tag(value: dict[str, Any]) -> bool:
    """Whether a dictionary reads as a tag, whoever wrote it."""
    return len(value) == 1 and next(iter(value))[:1] == SIGN


def kept(value: dict[str, Any]) -> dict[str, Any]:
    """A dictionary of somebody's own that reads as a tag, so that it comes back as itself."""
    return {SIGN: value}


def tag_of(value: Any) -> dict[str, str]:
    """The tag of a value of one of `KINDS`."""
    kind = KINDS[type(value)]
    return {f"{SIGN}{kind.name}": kind.write(value)}


def plain_of(value: Any) -> Any:
    """The date, time and so on that it is, in whatever class of somebody's. None: no text would keep all of it."""
    known = next((each for each in KINDS if issubclass(type(value), each)), None)
    if known is None or not _is_kept(value):
        return None
    return value if type(value) is known else KINDS[known].read(KINDS[known].write(value))


def untagged(value: Any) -> Any:
    """What JSON stands for, tags within it included. Raises InvalidTag."""
    if type(value) is list:
        return [untagged(each) for each in value]
    if type(value) is not dict:
        return value
    if not is_tag(value):
        return _untagged_values(value)
    (name, held), *_ = value.items()
    return _untagged_values(held) if name == SIGN and type(held) is dict else _value(name, held)


def _untagged_values(given: dict[str, Any]) -> dict[str, Any]:
    return {name: untagged(each) for name, each in given.items()}


def _value(name: str, held: object) -> Any:
    kind = _BY_NAME.get(name)
    if kind is None:
        raise InvalidTag(
            f"{quoted(name)} is not a kind of value that this release knows; it knows {', '.join(_BY_NAME)}"
        )
    try:
        if isinstance(held, str):
            return kind.read(held)
    except (ValueError, ArithmeticError, LookupError, OSError):  # zoneinfo looks for files
        pass
    raise InvalidTag(f'{quoted(name)} holds {echo(held)}, but must hold a text such as "{kind.example}"')


def _is_kept(value: Any) -> bool:
    """Whether its text says all: not of a second pass without a zone, of a time with one, or of a nameless zone.

    Nor of an offset with a fraction of a second, which Python 3.11 reads as none at all.
    """
    match value:
        case Decimal():
            return value.is_finite()
        case datetime(tzinfo=fixed_offset() as offset):
            return not offset.utcoffset(None).microseconds
        case datetime(tzinfo=zone) if zone is not None:
            return type(zone) is ZoneInfo and bool(zone.key)
        case datetime() | time():
            return value.tzinfo is None and not value.fold
    return True


# Each kind as text


def _written_instant(value: datetime) -> str:
    """As in RFC 9557: the offset, and the zone in brackets where there is one."""
    text = datetime.isoformat(value)
    return f"{text}[{value.tzinfo.key}]" if type(value.tzinfo) is ZoneInfo else text


def _read_instant(text: str) -> datetime:
    """By the clock of its zone as it was written; by another offset only where the zone has changed meanwhile."""
    reading, bracket, zone = text.removesuffix("]").partition("[")
    instant = datetime.fromisoformat(reading)
    if not bracket:
        return instant
    if instant.tzinfo is None:
        raise ValueError("a zone needs an offset before it")
    in_zone = instant.replace(tzinfo=ZoneInfo(zone))
    for pass_ in (in_zone, in_zone.replace(fold=1)):
        if pass_.utcoffset() == instant.utcoffset():
            return pass_
    return instant.astimezone(in_zone.tzinfo)


def _written_duration(value: timedelta) -> str:
    """As in ISO 8601, with days, hours, minutes and seconds."""
    micros = timedelta.__floordiv__(value, _MICROSECOND)
    seconds, fraction = divmod(abs(micros), 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = f"{seconds:02d}.{fraction:06d}" if fraction else f"{seconds:02d}"
    return f"{'-' if micros < 0 else ''}P{days}DT{hours:02d}H{minutes:02d}M{parts}S"


def _read_duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None or found.lastgroup in (None, "sign"):
        raise ValueError("no duration")
    whole = {name: int(found[name] or 0) for name in ("days", "hours", "minutes", "seconds")}
    length = timedelta(**whole, microseconds=int((found["fraction"] or "").ljust(6, "0")))
    return -length if found["sign"] else length


def _read_decimal(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError("no number")
    return number


_MICROSECOND = timedelta(microseconds=1)
_DURATION = re.compile(
    r"(?P<sign>-)?P(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9})(?:\.(?P<fraction>\d{1,6}))?S)?)?",
    re.ASCII,
)
KINDS: dict[type, Kind] = {
    datetime: Kind("datetime", _written_instant, _read_instant, "2026-12-24T18:00:00+01:00[Europe/Paris]"),
    date: Kind("date", date.isoformat, date.fromisoformat, "2026-12-24"),
    time: Kind("time", time.isoformat, time.fromisoformat, "18:00:00"),
    timedelta: Kind("timedelta", _written_duration, _read_duration, "P1DT12H"),
    UUID: Kind("uuid", UUID.__str__, UUID, "12345678-1234-5678-1234-567812345678"),
    Decimal: Kind("decimal", Decimal.__str__, _read_decimal, "19.90"),
}
"""A datetime is a date, so it comes first."""
_BY_NAME = {f"{SIGN}{kind.name}": kind for kind in KINDS.values()}
