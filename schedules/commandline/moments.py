"""Instants and durations as people read them in a terminal: short, and each in one way only."""

from __future__ import annotations

from datetime import datetime, timedelta

from schedules.recurrence.zones import clock_text, local
from worker.instants import is_real

DAY = timedelta(days=1)
NO_INSTANT = "no instant"
"""What is written where a row holds none that can be read."""


def moment(instant: datetime, timezone: str, now: datetime) -> str:
    """The clock on the wall there; the date with it where the time alone would not tell."""
    if not is_real(instant):
        return NO_INSTANT
    shown, distance = local(instant, timezone), abs(instant - now)
    clock = clock_text(shown)
    if distance < DAY:
        return clock
    if distance < 6 * DAY:
        return f"{shown:%a} {clock}"
    if distance < 300 * DAY:
        return f"{shown:%a} {shown.day} {shown:%b} {clock}"
    return f"{shown.day} {shown:%b %Y} {clock}"


def stretch(first: datetime, last: datetime, timezone: str, now: datetime, *, dash: str) -> str:
    """From one instant to another; of the second only the time where it is on the same day: "Fri 11:55–12:58"."""
    end = moment(last, timezone, now)
    if is_real(first) and is_real(last) and (shown := local(last, timezone)).date() == local(first, timezone).date():
        end = clock_text(shown)
    return f"{moment(first, timezone, now)}{dash}{end}"


def full_moment(instant: datetime, timezone: str) -> str:
    """The clock on the wall there with its date and its offset from UTC."""
    if not is_real(instant):
        return NO_INSTANT
    shown = local(instant, timezone)
    offset = shown.isoformat(timespec="seconds")[len("2026-01-01T00:00:00") :]
    return f"{shown:%a} {shown.day:>2} {shown:%b %Y %H:%M:%S} {offset}"


def city(timezone: str) -> str:
    """The zone in a word: "Europe/Riga" → "Riga"."""
    return timezone.rpartition("/")[2].replace("_", " ")


def left(duration: timedelta) -> str:
    """Until something happens, in at most two units: "4m 12s", "8d"."""
    seconds = max(0, int(duration.total_seconds()))
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if days > 1:
        return f"{days}d"
    units = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds % 60, "s")]
    while len(units) > 1 and not units[0][0]:
        units.pop(0)
    first, *rest = [f"{amount}{unit}" for amount, unit in units[:2]]
    return " ".join([first, *(each for each in rest if not each.startswith("0"))])


def ago(duration: timedelta) -> str:
    """Since something happened, in one unit: "10m ago"."""
    return f"{left(duration).split()[0]} ago"


def took(seconds: float) -> str:
    """How long a run took: "0.2s", "41s", "3m 5s"."""
    return f"{seconds:.1f}s" if seconds < 10 else left(timedelta(seconds=seconds))
