"""How instants and results are written, according to what the output can show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from schedules.commandline.columns import Cell
from schedules.commandline.moments import city, moment
from schedules.commandline.terminal import Screen, clean
from schedules.overview.values import Upcoming
from worker import masking
from worker.current.progress import Progress
from worker.messages.durations import took
from worker.signs import sign_of


@dataclass(frozen=True, slots=True)
class Look:
    """What the output can show, and in which zone."""

    timezone: str
    converts: bool
    """Whether all times are in that zone, also those of schedules that have another."""
    screen: Screen

    @property
    def dash(self) -> str:
        """Stands for nothing."""
        return "–" if self.screen.glyphs else "-"

    def zone_of(self, schedule: Upcoming) -> str:
        """An interval has no zone of its own: its times are shown in ours."""
        has_zone = not self.converts and not schedule.expression.isdecimal()
        return schedule.timezone if has_zone and not schedule.broken else self.timezone

    def moment(self, instant: datetime, zone: str, now: datetime) -> str:
        """By the clock of that zone, and marked with it where it is not the one of all."""
        marked = "" if zone == self.timezone else f" ({city(zone)})"
        return f"{moment(instant, zone, now)}{marked}"

    def result(self, outcome: str, reason: str, duration: float | None) -> Cell:
        sign = sign_of(outcome)
        detail = _detail(outcome, reason, duration)
        word = {"succeeded": "ok"}.get(outcome, outcome.replace("_", " "))
        if self.screen.glyphs:
            return Cell(f"{sign.glyph} {detail or word}", sign.tone)
        return Cell(f"{word} {detail}".strip(), sign.tone)

    def joined(self, *parts: str) -> str:
        """Those that say something, on one line."""
        return (" · " if self.screen.glyphs else " - ").join(clean(part) for part in parts if part)

    def progress(self, told: Progress | None, attempt: int) -> str:
        """`40 of 120 · 33 % · order 4711`, without secrets; and of which attempt, if not of this one."""
        if told is None:
            return ""
        done = _number(told.done) if told.total is None else f"{_number(told.done)} of {_number(told.total)}"
        share = "" if told.fraction is None else f"{int(round(100 * told.fraction, 6))} %"
        whose = "" if told.attempt == attempt else f"attempt {told.attempt}"
        return self.joined(done, share, masking.line(told.note), whose)


def _number(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) and number < 10**15 else f"{number:,.6g}"


def _detail(outcome: str, reason: str, duration: float | None) -> str:
    match outcome:
        case "succeeded" | "running" if duration is not None:
            return took(duration)
        case "failed" | "retrying":
            return clean(reason.partition(":")[0])
    return ""
