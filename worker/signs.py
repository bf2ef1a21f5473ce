"""How a state looks, wherever it is shown: its glyph, and what it means for whoever looks. Pure.

A page turns a tone into a colour by its style sheet, a command by `schedules.commandline.terminal`: they know no state.
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
