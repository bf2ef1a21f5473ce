"""Durations as people read them in a terminal or in the log: short, in at most two units. They know no language."""

from __future__ import annotations

from datetime import timedelta


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


def measured(seconds: float) -> str:
    """What the log says of a run, to the hundredth of a second below a minute: "0.04s", "48.10s", "2h 59m"."""
    return f"{seconds:.2f}s" if seconds < 60 else left(timedelta(seconds=seconds))


def pause(seconds: float) -> str:
    """How long something waits until it is tried again: "0.25s", "5s", "1h 30m"."""
    return measured(seconds) if 0 < seconds < 1 else left(timedelta(seconds=round(seconds)))


def leap(seconds: float) -> str:
    """How far a clock was set: "ahead by 1h", "back by 4m 12s"."""
    return f"{'back' if seconds < 0 else 'ahead'} by {left(timedelta(seconds=round(abs(seconds))))}"
