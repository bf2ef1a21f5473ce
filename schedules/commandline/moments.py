"""Instants as people read them in a terminal: short, and each in one way only."""

from __future__ import annotations

from datetime import datetime, timedelta

from schedules.recurrence.zones import clock_text, is_shown_twice, local, offset_text
from worker.instants import is_real

DAY = timedelta(days=1)
NO_INSTANT = "no instant"
"""What is written where a row holds none that can be read."""


def moment(instant: datetime, timezone: str, now: datetime) -> str:
    """The clock on the wall there; the date with it where the time alone would not tell."""
    if not is_real(instant):
        return NO_INSTANT
    shown, today = local(instant, timezone), local(now, timezone)
    clock = _clock(instant, timezone)
    distance = max(abs(instant - now), abs(shown.replace(tzinfo=None) - today.replace(tzinfo=None)))
    if distance < DAY:
        return clock
    if distance < 6 * DAY:
        return f"{shown:%a} {clock}"
    if distance < 300 * DAY and shown.year == today.year:
        return f"{shown:%a} {shown.day} {shown:%b} {clock}"
    return f"{shown.day} {shown:%b %Y} {clock}"


def stretch(first: datetime, last: datetime, timezone: str, now: datetime, *, dash: str) -> str:
    """From one instant to another; of the second only the time where it is on the same day: "Fri 11:55–12:58"."""
    end = moment(last, timezone, now)
    if is_real(first) and is_real(last) and local(last, timezone).date() == local(first, timezone).date():
        end = _clock(last, timezone)
    return f"{moment(first, timezone, now)}{dash}{end}"


def full_moment(instant: datetime, timezone: str) -> str:
    """The clock on the wall there with its date and its offset from UTC."""
    if not is_real(instant):
        return NO_INSTANT
    shown = local(instant, timezone)
    return f"{shown:%a} {shown.day:>2} {shown:%b %Y %H:%M:%S} {offset_text(shown)}"


def city(timezone: str) -> str:
    """The zone in a word: "Europe/Riga" → "Riga"."""
    return timezone.rpartition("/")[2].replace("_", " ")


def _clock(instant: datetime, timezone: str) -> str:
    """What the clock there shows; with its offset from UTC where it shows that twice."""
    shown = local(instant, timezone)
    return f"{clock_text(shown)}{offset_text(shown) if is_shown_twice(instant, timezone) else ''}"
