"""Which overdue occurrences run, which are recorded as not run, and why. Pure: no Django, no clock.

The rules M, O, J, E3, I5 of time, in the order in which `decide` applies them: what is due at all, what is
excluded, what is too old, what catch-up picks, what an unfinished run before it stops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import blake2b
from itertools import islice
from typing import Any

from schedules.planning.due import BEGINNING, Due, Ledgered, NotRun, all_but, day_span, first_bound
from schedules.planning.policies import CatchUp, Overlap, Policies
from schedules.recurrence import Recurrence
from schedules.recurrence.instants import TICK
from schedules.recurrence.zones import local


@dataclass(frozen=True, slots=True)
class Run:
    """An occurrence that gets a job."""

    scheduled_for: datetime
    run_at: datetime
    start_by: datetime | None
    retry_before: datetime | None
    waits: bool
    """Behind the unfinished job before it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with the occurrences that are due, and where the schedule stands afterwards."""

    runs: tuple[Run, ...]
    not_run: tuple[NotRun, ...]
    cursor: datetime
    next_run_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a schedule stands before the decision."""

    cursor: datetime
    """Everything until here is settled."""
    runs: int = 0
    """Jobs so far."""
    busy: bool = False
    """A job of it is unfinished."""
    waiting: bool = False
    """A job of it waits behind that one."""


class Decisions:
    """What becomes of many schedules by one instant. Those that are alike and stand alike get one decision."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._made: dict[tuple[Any, ...], Plan] = {}

    def on(self, recurrence: Recurrence, policies: Policies, standing: Standing, *, seed: str, timezone: str) -> Plan:
        alike = (
            recurrence,
            policies,
            standing.cursor,
            standing.busy,
            standing.waiting,
            policies.max_runs is not None and standing.runs,
            policies.jitter and seed,
            policies.exclude and timezone,
        )
        plan = self._made.get(alike)
        if plan is None:
            plan = decide(recurrence, policies, standing, self.now, seed=seed, timezone=timezone)
            self._made[alike] = plan
        return plan


def decide(
    recurrence: Recurrence,
    policies: Policies,
    standing: Standing,
    now: datetime,
    *,
    seed: str,
    timezone: str = "UTC",
) -> Plan:
    """What becomes of the occurrences in (cursor, now]. `seed`: the schedule's name, for its jitter."""
    due = Due(recurrence, policies, standing.cursor, now)
    newest = due.newest()
    if newest is None and not due.not_run:
        return Plan((), (), standing.cursor, next_run(recurrence, policies, standing.cursor, standing.runs))
    due.bar((day_span(day, timezone) for day in policies.exclude), Ledgered.EXCLUDED, "its date is excluded")
    if policies.catch_up_window is not None:
        oldest = now - timedelta(seconds=policies.catch_up_window)
        due.bar(
            [(BEGINNING, oldest - TICK)],
            Ledgered.MISSED,
            f"overdue by more than {policies.catch_up_window} s",
        )
    chosen = _choose(due, policies, now)
    starts = {at: jittered(recurrence, policies.jitter, at, seed) for at in chosen}
    waits: dict[datetime, bool] = {}
    for at, verdict in zip(_in_time(due, starts, policies, now), _let_through(policies, standing), strict=False):
        if verdict is _Verdict.SKIPPED:
            due.record(at, Ledgered.SKIPPED_OVERLAP, "the run before it was unfinished")
            continue
        waits[at] = verdict is _Verdict.WAITS
        if _is_over(policies, standing.runs + len(waits)):
            due.end(at)
            break
    due.bar(all_but(chosen), *_why_not_chosen(policies, chosen))
    cursor = max(filter(None, [newest, *(each.last for each in due.not_run)]))
    next_run_at = next_run(recurrence, policies, cursor, standing.runs + len(waits))
    retry_before = None if policies.retry_past_next else next_run_at
    runs = (Run(at, starts[at], _start_by(policies, starts[at]), retry_before, waits[at]) for at in waits)
    return Plan(tuple(runs), due.explained(), cursor, next_run_at)


def explain(
    recurrence: Recurrence,
    policies: Policies,
    standing: Standing,
    now: datetime,
    outcome: Ledgered,
    reason: str,
) -> Plan:
    """Run none of the occurrences in (cursor, now], all for the same reason."""
    cursor = max(standing.cursor, now)
    if _is_over(policies, standing.runs):
        return Plan((), (), cursor, None)
    due = Due(recurrence, policies, standing.cursor, now)
    due.bar([(BEGINNING, now)], outcome, reason)
    return Plan((), due.explained(), cursor, None)


def next_run(recurrence: Recurrence, policies: Policies, cursor: datetime, runs: int) -> datetime | None:
    """The first occurrence after the cursor that the schedule's own limits allow."""
    if _is_over(policies, runs):
        return None
    instant = recurrence.after(first_bound(policies, cursor))
    if instant is None or (policies.repeat_until is not None and instant > policies.repeat_until):
        return None
    return instant


def runs_after(
    recurrence: Recurrence, policies: Policies, timezone: str, cursor: datetime, runs: int
) -> Iterator[datetime]:
    """The instants after the cursor that will run, when nothing comes in between; `runs`: so many have run."""
    while instant := next_run(recurrence, policies, cursor, runs):
        if policies.exclude and (day := local(instant, timezone).date()) in policies.exclude:
            cursor = day_span(day, timezone)[1]
        else:
            cursor, runs = instant, runs + 1
            yield instant


def jittered(recurrence: Recurrence, jitter: int, instant: datetime, seed: str) -> datetime:
    """J1: when the run of that nominal instant starts; the same whenever it is asked."""
    following = recurrence.after(instant) if jitter else None
    gap = jitter if following is None else min(jitter, int((following - instant).total_seconds()))
    if gap <= 0:
        return instant
    digest = blake2b(f"{seed}\n{instant.isoformat()}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return instant + timedelta(seconds=int.from_bytes(digest) % gap)


def _is_over(policies: Policies, runs: int) -> bool:
    """Rule I5: `max_runs` ends a schedule."""
    return policies.max_runs is not None and runs >= policies.max_runs


class _Verdict(Enum):
    RUNS = auto()
    WAITS = auto()
    SKIPPED = auto()


def _choose(due: Due, policies: Policies, now: datetime) -> list[datetime]:
    """Rule M3, ascending."""
    match policies.catch_up:
        case CatchUp.ALL:
            return sorted(islice(due.newest_first(), policies.max_catch_up))
        case CatchUp.EARLIEST:
            chosen = due.oldest()
        case _:
            chosen = due.newest()
    if chosen is None or (policies.catch_up == CatchUp.NONE and now - chosen > timedelta(seconds=policies.late_after)):
        return []
    return [chosen]


def _why_not_chosen(policies: Policies, chosen: Sequence[datetime]) -> tuple[Ledgered, str]:
    match policies.catch_up:
        case CatchUp.ALL:
            return Ledgered.MISSED, f"more than {policies.max_catch_up} were overdue"
        case CatchUp.NONE:
            return Ledgered.MISSED, f"overdue by more than {policies.late_after} s, or by a newer one"
    return (
        Ledgered.COALESCED,
        f"one run for all that were overdue: {chosen[0].isoformat() if chosen else 'none'}",
    )


def _in_time(due: Due, starts: Mapping[datetime, datetime], policies: Policies, now: datetime) -> Iterator[datetime]:
    """Rule M6: those of the runs that can start before their deadline."""
    for at, start in starts.items():
        start_by = _start_by(policies, start)
        if start_by is not None and now > start_by:
            due.record(at, Ledgered.MISSED, f"not started within {policies.start_deadline} s")
        else:
            yield at


def _let_through(policies: Policies, standing: Standing) -> Iterator[_Verdict]:
    """Rule O1: a verdict for each run in turn, each making the schedule busy for the next."""
    busy, waiting = standing.busy, standing.waiting
    while True:
        if policies.overlap == Overlap.ALLOW or not busy:
            yield _Verdict.RUNS
        elif policies.overlap == Overlap.QUEUE_ALL or (policies.overlap == Overlap.QUEUE_ONE and not waiting):
            waiting = True
            yield _Verdict.WAITS
        else:
            yield _Verdict.SKIPPED
        busy = True


def _start_by(policies: Policies, start: datetime) -> datetime | None:
    return None if policies.start_deadline is None else start + timedelta(seconds=policies.start_deadline)
