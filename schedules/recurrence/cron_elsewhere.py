"""Hints for cron expressions of other schedulers, such as `CRON_TZ=` and `@every 5m`: what to write here."""

from __future__ import annotations

import re
from collections.abc import Callable

from worker.messages.echo import quoted

ZONE_INSIDE = re.compile(r"\s*(?:CRON_)?TZ=(?P<zone>\S+)\s*(?P<rest>.*)", re.IGNORECASE)
EVERY = re.compile(r"\s*@every\s+(?P<parts>(?:\d{1,9}(?:\.\d+)?[a-z]{1,2})+)\s*", re.IGNORECASE)
PART = re.compile(r"(?P<amount>\d+)(?P<unit>[hms])", re.IGNORECASE)
LONGEST_STEP = 1000
SECONDS = {"h": 3600, "m": 60, "s": 1}


def zone_inside(expression: str) -> str | None:
    """`CRON_TZ=Europe/Paris 0 9 * * *`"""
    found = ZONE_INSIDE.fullmatch(expression)
    if found is None:
        return None
    zone, rest = quoted(found["zone"]), quoted(found["rest"].strip() or "0 9 * * *")
    return (
        f"names its time zone inside: give timezone={zone} (--timezone with list_schedule), and {rest} as expression."
    )


def every(expression: str) -> str | None:
    """`@every 5m`"""
    if not expression.strip().lower().startswith("@every"):
        return None
    seconds = _seconds(expression)
    told = f"repeat={seconds}, in seconds," if seconds else "repeat=…, in seconds,"
    return f"is an interval: give {told} instead of a cron expression."


def longer_interval(field: str, step: int) -> str:
    """`*/90`: what to give for a step that is longer than its field; nothing, where there is no such interval."""
    if not 1 <= step <= LONGEST_STEP:
        return ""
    match field:
        case "second" | "minute" | "hour":
            return f"For every {step} {field}s give repeat={step * SECONDS[field[0]]} instead of a cron expression."
        case "day-of-month":
            return f'For every {step} days give repeat="{step} days" instead of a cron expression.'
        case "month":
            return f'For every {step} months give repeat="{step} months" instead of a cron expression.'
    return ""


def _seconds(expression: str) -> int:
    """0: it is not told in whole hours, minutes and seconds."""
    found = EVERY.fullmatch(expression)
    if found is None or PART.sub("", found["parts"]):
        return 0
    return sum(int(part["amount"]) * SECONDS[part["unit"].lower()] for part in PART.finditer(found["parts"]))


OF_OTHERS: tuple[Callable[[str], str | None], ...] = (zone_inside, every)
