"""Hints for a text that is not the name of a time zone: which zone may be meant. No hint is better than a wrong one.

It knows no zone: the caller gives the names.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from worker.messages.nearest import did_you_mean

OFFSET = re.compile(r"(?:Etc/)?(?:UTC|GMT)?(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?", re.IGNORECASE)
ABBREVIATION = re.compile(r"[A-Z]{2,5}")
FURTHEST = {"+": 14, "-": 12}
"""Hours for which there is a zone that never changes."""
PLACES = {
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "MDT": "America/Denver",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "EDT": "America/New_York",
    "BST": "Europe/London",
    "CEST": "Europe/Paris",
    "EEST": "Europe/Athens",
    "MSK": "Europe/Moscow",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "AEST": "Australia/Sydney",
    "AEDT": "Australia/Sydney",
}
"""A place for each of the abbreviations that are written most, which may mean others, too."""


def hint(name: str, known: Collection[str]) -> str:
    """The sentence that ends a message; or nothing, where nothing is near."""
    if name in ("Z", "z"):
        return 'Write "UTC".'
    if offset := OFFSET.fullmatch(name):
        return f'It is an offset: name a place whose clock is meant, such as "Europe/Paris"{_fixed(offset)}.'
    if ABBREVIATION.fullmatch(name) and not any(name.lower() == each.lower() for each in known):
        place = PLACES.get(name, "Europe/Paris")
        return f'An abbreviation may mean several: name a place whose clock is meant, such as "{place}".'
    return did_you_mean(name, known, caseless=True)


def _fixed(offset: re.Match[str]) -> str:
    """The zone that always has this offset. Its name has the other sign."""
    hours = int(offset["hours"])
    if int(offset["minutes"] or 0) or hours > FURTHEST[offset["sign"]]:
        return ""
    if not hours:
        return ', or "UTC"'
    way, sign = ("ahead of", "-") if offset["sign"] == "+" else ("behind", "+")
    return f', or "Etc/GMT{sign}{hours}", which is {hours} h {way} UTC all year'
