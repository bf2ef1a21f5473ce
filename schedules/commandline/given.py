"""What the commands about jobs may be given: flags that are filters, read as `worker.handles` takes them."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from schedules.recurrence.zones import day_start
from worker.messages.echo import quoted
from worker.messages.expected import EARLIEST, GREATEST_ID

SPAN = re.compile(r"(?P<amount>\d{1,7})(?P<unit>[smhdw]?)", re.ASCII)
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST_SPAN = timedelta(weeks=5200)
FLAGS = ("ids", "task", "queue", "state", "creator", "verbose_name", "error")
"""Filters that are given as they are taken."""
INSTANTS = ("enqueued_after", "enqueued_before")


def add_filters(parser: CommandParser, *, of_finished: bool) -> None:
    """The flags, each of which leaves out jobs. `of_finished`: those, too, that only finished jobs have."""
    parser.add_argument("ids", nargs="*", type=_id, metavar="ID", help="only the jobs with these ids")
    parser.add_argument("--task", action="append", metavar="T", help="only jobs of this task; repeatable")
    parser.add_argument("--queue", action="append", metavar="Q", help="only jobs on this queue; repeatable")
    parser.add_argument("--state", action="append", metavar="S", help="only jobs in this state; repeatable")
    parser.add_argument("--schedule", metavar="NAME", help="only jobs of this schedule, by its name or the last part")
    parser.add_argument("--creator", metavar="C", help='only jobs made for this object, as "app.Model:key"')
    parser.add_argument("--verbose-name", metavar="NAME", help="only jobs with this name of their own")
    parser.add_argument(
        "--enqueued-after", metavar="WHEN", help="only jobs enqueued from then on: an instant, or 24h ago"
    )
    parser.add_argument("--enqueued-before", metavar="WHEN", help="only jobs enqueued before then")
    if of_finished:
        parser.add_argument("--error", metavar="KIND", help="only jobs that failed for good with this class of error")


def filters_of(options: Mapping[str, Any], zone: str, now: datetime) -> dict[str, Any]:
    """What was given but for the schedule. Dates are those of the zone; a span of time ends now."""
    given = {name: options[name] for name in FLAGS if options.get(name)}
    given |= {name: _when(name, options[name], zone, now) for name in INSTANTS if options[name] is not None}
    return given


def span(text: str) -> timedelta:
    """`24h`, `90m`, `7d`, or seconds."""
    found = SPAN.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"{quoted(text)} is not a span of time such as 90s, 30m, 24h, 7d or 2w.")
    return min(LONGEST_SPAN, timedelta(seconds=int(found["amount"]) * SECONDS[found["unit"]]))


def instant(text: str, zone: str) -> datetime | None:
    """A time with its offset; or a date, which means its beginning in the zone. None: it is neither."""
    try:
        given = datetime.fromisoformat(text)
        if len(text) == len("2026-03-28"):
            return day_start(given.date(), zone)
    except (ValueError, OverflowError):
        return None
    return None if given.tzinfo is None else given


def _when(name: str, text: str, zone: str, now: datetime) -> datetime:
    if SPAN.fullmatch(text):
        return now - min(span(text), now - EARLIEST)
    if (at := instant(text, zone)) is not None:
        return at
    raise CommandError(
        f"--{name.replace('_', '-')} is {quoted(text)}, but must be a date, a time with its offset "
        "(2026-03-28T12:00:00+01:00), or how long ago (24h)."
    )


def _id(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and 1 <= int(text) <= GREATEST_ID):
        raise ArgumentTypeError(f"{quoted(text)} is not the id of a job.")
    return int(text)
