"""How a state looks, in the admin and in a terminal alike: its glyph and its tone (good, bad …). Pure.

A page turns a tone into a colour by its style sheet, and a command does so by `schedules.commandline.terminal`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    GOOD = "good"
    BAD = "bad"
    BUSY = "busy"
    """It goes on."""
    COMING = "coming"
    CONCERN = "concern"
    """Not as it should be, and no failure."""
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Sign:
    glyph: str
    tone: Tone


SIGNS = {
    **dict.fromkeys(("succeeded", "enqueued", "active", "alive", "ok"), Sign("✓", Tone.GOOD)),
    **dict.fromkeys(("failed", "broken", "silent", "error"), Sign("✕", Tone.BAD)),
    **dict.fromkeys(("running", "manual", "backfilled"), Sign("▶", Tone.BUSY)),
    **dict.fromkeys(("scheduled", "waiting", "ready"), Sign("○", Tone.COMING)),
    **dict.fromkeys(("missed", "retrying", "late", "warning"), Sign("!", Tone.CONCERN)),
    **dict.fromkeys(("paused", "held"), Sign("‖", Tone.QUIET)),
    "unknown": Sign("○", Tone.QUIET),
}
"""By the state of a job, a schedule or a process, the outcome of a line of the ledger, or the weight of a finding."""
OTHER = Sign("–", Tone.QUIET)


def sign_of(state: str) -> Sign:
    return SIGNS.get(state, OTHER)
