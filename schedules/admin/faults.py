"""Which field of the form an error of `spec_of` belongs to, and its text there."""

from __future__ import annotations

from typing import Any

from schedules.planning.columns import KINDS
from schedules.recurrence import InvalidRecurrence, parse_repeat
from schedules.recurrence.zones import check_timezone
from schedules.spec import OPTIONS
from worker.arguments import InvalidArguments
from worker.options import options


def field_of(fault: BaseException, given: dict[str, Any]) -> str | None:
    """The field that an error of `spec_of` is about. Most errors begin with its name; recurrences are taken apart."""
    if isinstance(fault, InvalidRecurrence):
        return _field_of_recurrence(given)
    if isinstance(fault, InvalidArguments):
        return "kwargs" if str(fault).startswith('argument "') else "args"
    text = str(fault)
    for beginning, field in _BEGINNINGS.items():
        if text.startswith(beginning):
            return field
    if " is no queue: " in text:
        return "queue"
    if " is no priority: " in text:
        return "priority"
    if " is no backoff: " in text:
        return "backoff"
    first = text.partition(" ")[0]
    return first if first in OPTIONS else None


def sentence(fault: BaseException) -> str:
    text = str(fault)
    return text[:1].upper() + text[1:] if text.partition(" ")[0] not in OPTIONS else text


def _field_of_recurrence(given: dict[str, Any]) -> str:
    try:
        check_timezone(given["timezone"] or options().time_zone)
    except InvalidRecurrence:
        return "timezone"
    try:
        parse_repeat(given["repeat"] or 0)
    except InvalidRecurrence:
        return "repeat"
    return next(name for name in KINDS if given[name])


_BEGINNINGS = {
    "first_run ": "anchor",
    "the name of the queue": "queue",
    "the name ": "name",
    "give exactly one": None,
}
