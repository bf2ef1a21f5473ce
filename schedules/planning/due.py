"""The occurrences of a schedule that are due and undecided, as spans of time, because there may be a million.

Pure: no Django, no clock. It can take some out and say why; `planning` decides which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from schedules.planning.policies import Policies
from schedules.recurrence import Cron, Recurrence
from schedules.recurrence.instants import TICK
from schedules.recurrence.zones import day_start

Span = tuple[datetime, datetime]
"""The instants after the first and up to the second."""
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)
END = datetime(9999, 12, 30, tzinfo=UTC)


class Ledgered(StrEnum):
    """What became of an occurrence, as the ledger says it."""

    ENQUEUED = "enqueued"
    COALESCED = "coalesced"
    MISSED = "missed"
    SKIPPED_OVERLAP = "skipped_overlap"
    PAUSED = "paused"
    EXCLUDED = "excluded"
    SKIPPED_DST = "skipped_dst"
    BACKFILLED = "backfilled"
    BROKEN = "broken"
    ENDED = "ended"
    NOT_BEGUN = "not_begun"
    RETIRED = "retired"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class NotRun:
    """An occurrence, or a range of them, that gets none, and why."""

    outcome: Ledgered
    first: datetime
    last: datetime
    count: int
    reason: str


class Due:
    """The occurrences that are due and undecided, as spans of time: there may be a million."""

    def __init__(self, recurrence: Recurrence, policies: Policies, cursor: datetime, now: datetime) -> None:
        self.recurrence = recurrence
        self.spans: list[Span] = [(first_bound(policies, cursor), min(now, policies.repeat_until or now))]
        self.not_run: list[NotRun] = []
        self._newest: tuple[list[Span], datetime | None] | None = None
        self._none_after = END
        if isinstance(recurrence, Cron):
            self._take_out_what_the_clock_skips(recurrence)

    def newest(self) -> datetime | None:
        """Looked for once, as long as nothing is taken out."""
        if self._newest is None or self._newest[0] is not self.spans:
            instants = (self.recurrence.latest(start, end) for start, end in reversed(self.spans) if start < end)
            found = next(filter(None, instants), None)
            self._newest, self._none_after = (self.spans, found), found or BEGINNING
        return self._newest[1]

    def oldest(self) -> datetime | None:
        instants = (next(self.recurrence.between(start, end), None) for start, end in self.spans if start < end)
        return next(filter(None, instants), None)

    def newest_first(self) -> Iterator[datetime]:
        for start, end in reversed(self.spans):
            while start < end and (instant := self.recurrence.latest(start, end)):
                yield instant
                end = instant - TICK

    def bar(self, spans: Iterable[Span], outcome: Ledgered, reason: str) -> None:
        """Decide that what is due within the spans does not run."""
        for barred in spans:
            within = _overlap(self.spans, barred)
            for span in within:
                self._record_span(span, outcome, reason)
            if within:
                self.spans = _without(self.spans, barred)

    def record(self, at: datetime, outcome: Ledgered, reason: str) -> None:
        self.not_run.append(NotRun(outcome, at, at, 1, reason))

    def end(self, last: datetime) -> None:
        """Nothing after `last` is an occurrence."""
        self.spans = _overlap(self.spans, (BEGINNING, last))
        self.not_run = [each for each in self.not_run if each.first <= last]

    def explained(self) -> tuple[NotRun, ...]:
        return tuple(sorted(self.not_run, key=lambda each: each.first))

    def _record_span(self, span: Span, outcome: Ledgered, reason: str) -> None:
        if span[0] >= self._none_after:
            return
        last = self.recurrence.latest(*span)
        if last is None:  # as it mostly is, and to find that out costs least
            return
        first = next(self.recurrence.between(*span), None)
        if first is not None:
            self.not_run.append(NotRun(outcome, first, last, self.recurrence.count(*span), reason))

    def _take_out_what_the_clock_skips(self, cron: Cron) -> None:
        for at in cron.skipped(*self.spans[0]):
            self.record(at, Ledgered.SKIPPED_DST, "the clock skipped it")
            self.spans = _without(self.spans, (at - TICK, at))


def first_bound(policies: Policies, cursor: datetime) -> datetime:
    return cursor if policies.starts_at is None else max(cursor, policies.starts_at - TICK)


def day_span(day: date, timezone: str) -> Span:
    return day_start(day, timezone) - TICK, day_start(day + timedelta(days=1), timezone) - TICK


def all_but(instants: Sequence[datetime]) -> Iterator[Span]:
    """All time but those instants."""
    start = BEGINNING
    for instant in instants:
        yield start, instant - TICK
        start = instant
    yield start, END


def _overlap(spans: Iterable[Span], other: Span) -> list[Span]:
    both = ((max(start, other[0]), min(end, other[1])) for start, end in spans)
    return [(start, end) for start, end in both if start < end]


def _without(spans: Iterable[Span], other: Span) -> list[Span]:
    return _overlap(spans, (BEGINNING, other[0])) + _overlap(spans, (other[1], END))
