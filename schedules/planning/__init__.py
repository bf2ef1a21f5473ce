"""Which overdue occurrences run, which are recorded as not run, and why. Pure: no Django, no clock.

The rules of time E3, M, O, I5, as the steps of `decide`, in this order: what is excluded, what is too old, what
catch-up chooses, what can still start in time, what an unfinished run before it lets through, how many may run at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

from schedules.planning.due import BEGINNING, END, Due, Ledgered, NotRun, all_but, day_span, first_bound
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


class Why(NamedTuple):
    """Why nothing runs, and after which instant."""

    since: datetime
    outcome: Ledgered
    reason: str


UNLIMITED = Policies()


class Decisions:
    """What becomes of many schedules by one instant. Those that are alike and stand alike get one decision.

    They are alike if they share their values (`columns`): to compare these would cost as much as all the rest.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._made: dict[tuple[Any, ...], Plan] = {}
        self._of: list[tuple[Recurrence, Policies]] = []
        """Kept, so that no other value gets the identity of one of these."""

    def on(self, recurrence: Recurrence, policies: Policies, standing: Standing, *, seed: str, timezone: str) -> Plan:
        alike = (
            id(recurrence),
            id(policies),
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
            self._of.append((recurrence, policies))
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
    if _is_over(policies, standing.runs):
        return Plan((), (), standing.cursor, None)
    due = Due(recurrence, policies, standing.cursor, now)
    newest = due.newest()
    if newest is None and not due.not_run:
        return Plan((), (), standing.cursor, next_run(recurrence, policies, standing.cursor, standing.runs))
    _take_out_excluded(due, policies, timezone)
    _take_out_expired(due, policies, now)
    chosen = [_candidate(recurrence, policies, at, seed) for at in _choose(due, policies, now)]
    in_time = _in_time(due, chosen, policies, now)
    let_through = _let_through(due, in_time, policies, standing)
    limited = _limited(due, let_through, policies, standing)
    cursor = max(filter(None, [newest, *(each.last for each in due.not_run)]))
    next_run_at = next_run(recurrence, policies, cursor, standing.runs + len(limited))
    retry_before = None if policies.retry_past_next else next_run_at
    runs = (Run(each.at, each.start, each.start_by, retry_before, each.waits) for each in limited)
    return Plan(tuple(runs), due.explained(), cursor, next_run_at)


def explain(
    recurrence: Recurrence,
    policies: Policies,
    standing: Standing,
    now: datetime,
    outcome: Ledgered,
    reason: str,
) -> Plan:
    """Run none of the occurrences in (cursor, now], all for the same reason.

    The cursor stays before what is no occurrence by the schedule's limits: whoever lifts them explains that.
    """
    last = min(now, policies.repeat_until or now)
    if _is_over(policies, standing.runs) or last <= first_bound(policies, standing.cursor):
        return Plan((), (), standing.cursor, None)
    due = Due(recurrence, policies, standing.cursor, now)
    due.bar([(BEGINNING, now)], outcome, reason)
    return Plan((), due.explained(), last, None)


def stood_still(
    recurrence: Recurrence, policies: Policies, standing: Standing, now: datetime, whys: Sequence[Why]
) -> Plan:
    """Run none of the instants in (cursor, now], nor those that are no occurrences by the schedule's own limits.

    What the limits leave is explained by the first of `whys` that holds then.
    """
    due = Due(recurrence, UNLIMITED, standing.cursor, now)
    if policies.starts_at is not None:
        due.bar([(BEGINNING, policies.starts_at - TICK)], Ledgered.NOT_BEGUN, "before its starts_at")
    if _is_over(policies, standing.runs):
        due.bar([(BEGINNING, END)], Ledgered.ENDED, f"after its {policies.max_runs} runs")
    elif policies.repeat_until is not None:
        due.bar([(policies.repeat_until, END)], Ledgered.ENDED, "after its repeat_until")
    for why in whys:
        due.bar([(why.since, END)], why.outcome, why.reason)
    return Plan((), due.explained(), max(now, standing.cursor), None)


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


# The steps of a decision. Each hands on what may still run, and records why the others do not.


class _Candidate(NamedTuple):
    at: datetime
    start: datetime
    start_by: datetime | None
    waits: bool = False


def _take_out_excluded(due: Due, policies: Policies, timezone: str) -> None:
    """Rule E3."""
    due.bar((day_span(day, timezone) for day in policies.exclude), Ledgered.EXCLUDED, "its date is excluded")


def _take_out_expired(due: Due, policies: Policies, now: datetime) -> None:
    """Rule M2."""
    if policies.catch_up_window is not None:
        oldest = now - timedelta(seconds=policies.catch_up_window)
        reason = f"overdue by more than {policies.catch_up_window} s"
        due.bar([(BEGINNING, oldest - TICK)], Ledgered.MISSED, reason)


def _choose(due: Due, policies: Policies, now: datetime) -> list[datetime]:
    """Rule M3, ascending."""
    chosen = _chosen(due, policies, now)
    due.bar(all_but(chosen), *_why_not_chosen(policies, chosen))
    return chosen


def _chosen(due: Due, policies: Policies, now: datetime) -> list[datetime]:
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


def _candidate(recurrence: Recurrence, policies: Policies, at: datetime, seed: str) -> _Candidate:
    start = jittered(recurrence, policies.jitter, at, seed)
    deadline = policies.start_deadline
    return _Candidate(at, start, None if deadline is None else start + timedelta(seconds=deadline))


def _in_time(due: Due, candidates: Sequence[_Candidate], policies: Policies, now: datetime) -> list[_Candidate]:
    """Rule M6: those that can start before their deadline."""
    in_time = []
    for each in candidates:
        if each.start_by is None or now <= each.start_by:
            in_time.append(each)
        else:
            due.record(each.at, Ledgered.MISSED, f"not started within {policies.start_deadline} s")
    return in_time


def _let_through(
    due: Due, candidates: Sequence[_Candidate], policies: Policies, standing: Standing
) -> list[_Candidate]:
    """Rule O1. Each that runs or waits makes the schedule busy for the next."""
    let_through: list[_Candidate] = []
    busy, waiting = standing.busy, standing.waiting
    for each in candidates:
        waits = busy and policies.overlap != Overlap.ALLOW
        if waits and not _may_wait(policies, waiting):
            due.record(each.at, Ledgered.SKIPPED_OVERLAP, "the run before it was unfinished")
        else:
            let_through.append(each._replace(waits=True) if waits else each)
            busy, waiting = True, waiting or waits
    return let_through


def _may_wait(policies: Policies, waiting: bool) -> bool:
    return policies.overlap == Overlap.QUEUE_ALL or (policies.overlap == Overlap.QUEUE_ONE and not waiting)


def _limited(
    due: Due, candidates: Sequence[_Candidate], policies: Policies, standing: Standing
) -> Sequence[_Candidate]:
    """Rule I5: after the last run of all there are no occurrences, so nothing of them is explained."""
    if policies.max_runs is None:
        return candidates
    left = policies.max_runs - standing.runs
    if len(candidates) >= left:
        due.end(candidates[left - 1].at)
    return candidates[:left]
