"""What a schedule is, in plain Python: where it stands, and what becomes of each of its instants.

It knows no table; `clock_machine.py` drives it beside the product and compares them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.conformance.model.model_columns import BEFORE, HOUR, Columns, Span

HAS_JOB = ("enqueued", "backfilled")
HORIZON = 64 * HOUR
"""There is a next instant by then, or never."""


class ModelRun(NamedTuple):
    """An instant that gets a job."""

    scheduled_for: datetime
    waits: bool = False
    deadline: int | None = None
    retry_before: datetime | None = None


@dataclass
class ModelSchedule:
    """A schedule, where it stands, and what became of each of its instants."""

    pk: int
    name: str
    columns: Columns
    anchor: datetime
    cursor: datetime
    """What lies before it is decided."""
    runs: int = 0
    paused: bool = False
    paused_until: datetime | None = None
    paused_as_declared: bool = False
    enabled: bool = True
    broken: bool = False
    retired_at: datetime | None = None
    source: str = "api"
    drawn_from: str = ""
    """Its first name, which decides what is drawn for it."""
    ledger: dict[datetime, str] = field(default_factory=dict)
    jobs: dict[datetime, int] = field(default_factory=dict)
    """By their instants."""

    def __post_init__(self) -> None:
        self.drawn_from = self.name

    # What it comes to

    def is_due(self, now: datetime) -> bool:
        upcoming = self.next_run()
        return upcoming is not None and upcoming <= now

    def next_run(self) -> datetime | None:
        stands_still = self.paused or self.broken or self.retired_at is not None
        return None if stands_still else self._next_after(self.cursor)

    def retry_before(self, now: datetime) -> datetime | None:
        """Of runs that somebody asks for now; a pause may be over by then."""
        return None if self.columns.retry_past_next else self._next_after(max(now, self.cursor))

    def _next_after(self, at: datetime) -> datetime | None:
        if self._is_over():
            return None
        start, _ = self.columns.within_limits(at, at)
        upcoming = self.following(start)
        last = self.columns.repeat_until
        return None if upcoming is None or (last is not None and upcoming > last) else upcoming

    def following(self, at: datetime) -> datetime | None:
        """The next instant of the recurrence, whatever the limits."""
        return next(self.columns.one_by_one(at, at + HORIZON, self.anchor), None)

    def may_start(self, at: datetime, start: datetime) -> bool:
        """Jitter puts it off by less than it is told, and to before the next."""
        following = self.following(at)
        gap = timedelta(seconds=self.columns.jitter)
        latest = at + (gap if following is None else min(gap, following - at))
        return at <= start < latest or start == at

    def decided(self, first: datetime, last: datetime) -> list[datetime]:
        """What the ledger has from then to then."""
        return [at for at in self.ledger if first <= at <= last]

    def settle(self, now: datetime, busy: bool, waiting: bool) -> list[ModelRun]:
        """Decide on all that is due. Gives the instants that run."""
        if not self.is_due(now):
            return []
        span = self.columns.within_limits(self.cursor, now)
        due = self.columns.fires(*span, self.anchor)
        became = dict.fromkeys(self.columns.skipped(*span), "skipped_dst")
        became |= {at: how for at in due if (how := self._unfit(at, now))}
        fit = [at for at in due if at not in became]
        chosen = self._chosen(fit, now)
        became |= dict.fromkeys(
            set(fit) - set(chosen), "missed" if self.columns.catch_up in {"all", "none"} else "coalesced"
        )
        runs: list[ModelRun] = []
        for at in chosen:
            became[at], waits = self._verdict(at, now, busy, waiting)
            if became[at] != "enqueued":
                continue
            runs.append(ModelRun(at, waits, self.columns.start_deadline))
            busy, waiting = True, waiting or waits
            self.runs += 1
            if self._is_over():
                became = {each: how for each, how in became.items() if each <= at}
                break
        self.ledger |= became
        self.cursor = max(due[-1], *became)
        retry_before = None if self.columns.retry_past_next else self.next_run()
        return [run._replace(retry_before=retry_before) for run in runs]

    def _is_over(self) -> bool:
        return self.columns.max_runs is not None and self.runs >= self.columns.max_runs

    def _unfit(self, at: datetime, now: datetime) -> str:
        if self.columns.excludes(at):
            return "excluded"
        window = self.columns.catch_up_window
        return "missed" if window is not None and now - at > timedelta(seconds=window) else ""

    def _chosen(self, fit: list[datetime], now: datetime) -> list[datetime]:
        match self.columns.catch_up:
            case "all":
                return fit[-self.columns.max_catch_up :]
            case "earliest":
                return fit[:1]
            case "none" if fit and now - fit[-1] > timedelta(seconds=self.columns.late_after):
                return []
        return fit[-1:]

    def _verdict(self, at: datetime, now: datetime, busy: bool, waiting: bool) -> tuple[str, bool]:
        """What becomes of it, and whether its job waits."""
        columns = self.columns
        if columns.start_deadline is not None and now - at > timedelta(seconds=columns.start_deadline):
            return "missed", False
        waits = busy and columns.overlap != "allow"
        if waits and (columns.overlap == "skip" or (columns.overlap == "queue_one" and waiting)):
            return "skipped_overlap", False
        return "enqueued", waits

    # What somebody wishes

    def is_as(self, columns: Columns, enabled: bool) -> bool:
        """Whether it is in force, and just as the API wishes it."""
        in_force = self.retired_at is None and not self.broken
        return in_force and (self.columns, self.enabled, self.source) == (columns, enabled, "api")

    def begin(self, now: datetime) -> None:
        """A one-off whose time is past runs."""
        self._let_late_one_off_run(now, ())

    def follow(
        self,
        columns: Columns,
        now: datetime,
        spans: Collection[Span],
        start: datetime | None = None,
        enabled: bool | None = None,
        runs_late: bool = True,
    ) -> None:
        """Nothing before now runs any more, but a one-off. As long as the instants are the same, they stay."""
        returns = self.retired_at is not None
        is_another = columns.meaning != self.columns.meaning or (start is not None and start != self.anchor)
        anchor = (self._anchor_anew(columns, now) if is_another else self.anchor) if start is None else start
        if returns or is_another or self.broken or columns.limits != self.columns.limits:
            self.explain_past(now)
        self.columns, self.anchor, self.broken, self.retired_at = columns, anchor, False, None
        if returns or is_another:
            self._let_late_one_off_run(now, spans, runs_late)
        if enabled is not None and (returns or enabled != self.enabled):
            self._follow_enabled(enabled, now)

    def _anchor_anew(self, columns: Columns, now: datetime) -> datetime:
        """An interval counts from now, but puts off no first run of another."""
        if not self.columns.repeat or not columns.repeat or any(at >= self.anchor for at in self.ledger):
            return now
        planned = self.following(max(now, self.cursor))
        return planned if planned and planned < now + timedelta(seconds=columns.repeat) else now

    def explain_past(self, now: datetime) -> None:
        """Whatever kept it from running: its limits, that it was retired or broken, or a pause."""
        for at in self.columns.fires(self.cursor, now, self.anchor):
            if why := self._why_not(at):
                self.ledger[at] = why
        self.ledger |= dict.fromkeys(self.columns.skipped(self.cursor, now), "skipped_dst")
        self.cursor = max(self.cursor, now)

    def _why_not(self, at: datetime) -> str:
        columns = self.columns
        if columns.starts_at is not None and at < columns.starts_at:
            return "not_begun"
        if self._is_over() or (columns.repeat_until is not None and at > columns.repeat_until):
            return "ended"
        if self.retired_at is not None and at > self.retired_at:
            return "retired"
        return "broken" if self.broken else "paused" if self.paused else ""

    def _let_late_one_off_run(self, now: datetime, spans: Collection[Span], runs_late: bool = True) -> None:
        """Or it is missed, where the code declares it."""
        at = self.columns.run_at
        if at is None or at > max(now, self.cursor) or at in self.ledger or _is_within(at, spans):
            return
        if runs_late:
            self.cursor = at - BEFORE
        else:
            self.ledger[at] = "missed"

    def _follow_enabled(self, enabled: bool, now: datetime) -> None:
        self.enabled = enabled
        if not enabled and not self.paused:
            self.paused = self.paused_as_declared = True
        elif enabled and self.paused_as_declared:
            self.explain_paused(now)
            self.end_pause()

    # What an operator does

    def repair(self, now: datetime) -> None:
        if self.broken:
            self.explain_past(now)
        self.broken = False

    def explain_paused(self, now: datetime) -> None:
        if not self.paused:
            return
        start, end = self.columns.within_limits(self.cursor, min(now, self.retired_at or now))
        if self._is_over() or end <= start:
            return
        self.ledger |= dict.fromkeys(self.columns.fires(start, end, self.anchor), "paused")
        self.ledger |= dict.fromkeys(self.columns.skipped(start, end), "skipped_dst")
        self.cursor = end

    def end_pause(self) -> None:
        self.paused, self.paused_until, self.paused_as_declared = False, None, False

    def end_pause_that_is_over(self, now: datetime) -> None:
        """It ended when it was to, whenever somebody looks."""
        if self.paused_until is not None and self.paused_until <= now:
            self.explain_paused(self.paused_until - BEFORE)
            self.end_pause()

    def backfill(self, start: datetime, end: datetime, now: datetime, spans: Collection[Span]) -> list[ModelRun]:
        """The instants of the present recurrence that have no job: they run now.

        `spans`: where many instants share a line. What another recurrence left there stays as it is.
        """
        foreign = [span for span in spans if not self._knows(*span)]
        first, last = self.columns.within_limits(start - BEFORE, min(end, self.cursor))
        instants = [at for at in self._all(first, last) if not _is_within(at, foreign)]
        missing = [at for at in instants if self.ledger.get(at) not in HAS_JOB]
        self.ledger |= dict.fromkeys(missing, "backfilled")
        return [ModelRun(at, retry_before=self.retry_before(now)) for at in missing]

    def _knows(self, first: datetime, last: datetime) -> bool:
        return self._all(first - BEFORE, last) == sorted(self.decided(first, last))

    def _all(self, start: datetime, end: datetime) -> list[datetime]:
        """A repeat counts from its anchor, which is not one of its instants unless the ledger says so."""
        no_instant = {self.anchor} - self.ledger.keys() if self.columns.repeat else set[datetime]()
        return [at for at in self.columns.fires(start, end, self.anchor) if at not in no_instant]


def _is_within(at: datetime, spans: Collection[Span]) -> bool:
    return any(first <= at <= last for first, last in spans)
