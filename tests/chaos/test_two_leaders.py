"""Two processes that would lead and two that work, at once, under all that four clients and a hundred schedules ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from schedules.models import Leadership, Occurrence, Schedule
from schedules.planning.due import Ledgered
from tests.chaos import scale
from tests.chaos.audit import Audit, assert_all_ran_once, assert_ledger_is_the_grid, audit
from tests.chaos.crew import SECONDS_TO_START, Crew, says, stop, wait_until_drained
from tests.processes import Process, eventually
from worker.clock import database_now

DOWNTIME = 3.0
"""Seconds without any leader, in the middle of a run."""


def test_every_occurrence_and_every_call_runs_exactly_once(crew: Crew) -> None:
    crew.schedules = _every_second(overlap="allow", catch_up="all")
    workers = [crew.worker(), crew.worker()]
    with _leaders(crew, scale.SECONDS):
        for client in crew.clients():
            assert client.wait(within=60 + 2 * scale.SECONDS) == 0, client.output
    result = _close(crew, workers)

    assert_all_ran_once(result)
    assert set(Occurrence.objects.values_list("outcome", flat=True)) == {Ledgered.ENQUEUED}
    assert result.accepted - len(crew.calls) >= scale.SCHEDULES * int(scale.SECONDS - 1)
    _assert_ledgers_are_grids()


def test_under_the_default_policies_the_ledger_is_the_grid_and_only_what_it_enqueued_runs(crew: Crew) -> None:
    """Though every tenth schedule takes longer than its period, and nobody leads for a while in the middle."""
    crew.schedules = _every_second() | _every_second(10, "tests.chaos.tasks.count_slowly", 1.2)
    workers = [crew.worker(), crew.worker()]
    with _leaders(crew, scale.SECONDS / 2):
        pass
    _wait_until(database_now("default") + timedelta(seconds=DOWNTIME))
    with _leaders(crew, scale.SECONDS / 2):
        pass
    result = _close(crew, workers)

    assert_all_ran_once(result)
    outcomes = set(Occurrence.objects.values_list("outcome", flat=True))
    assert outcomes == {Ledgered.ENQUEUED, Ledgered.SKIPPED_OVERLAP, Ledgered.COALESCED}
    _assert_ledgers_are_grids()


def _every_second(
    step: int = 1, task: str = "tests.chaos.tasks.count", *args: float, **policies: str
) -> dict[str, dict[str, object]]:
    names = [f"schedule {number}" for number in range(0, scale.SCHEDULES, step)]
    return {name: {"task": task, "repeat": 1, "args": [name, *args], **policies} for name in names}


@contextmanager
def _leaders(crew: Crew, seconds: float) -> Iterator[None]:
    """Two processes that would lead, for so long; in the end, their logs say who did."""
    leaders = [crew.leader(), crew.leader()]
    eventually(lambda: any(says(each, "schedules in sync")() for each in leaders), within=2 * SECONDS_TO_START)
    until = database_now("default") + timedelta(seconds=seconds)
    yield
    _wait_until(until)
    _assert_one_leads(leaders)
    stop(*leaders)
    _assert_terms_are_told(leaders)


def _wait_until(instant: datetime) -> None:
    eventually(lambda: database_now("default") >= instant, within=scale.SECONDS + 10)


def _close(crew: Crew, workers: list[Process]) -> Audit:
    """Nothing more is enqueued: let the workers finish it, and audit."""
    wait_until_drained()
    stop(*workers)
    return audit(crew.calls)


def _assert_one_leads(leaders: list[Process]) -> None:
    """And the other says that it does not."""
    assert sorted(says(each, "elected, term")() for each in leaders) == [False, True]
    assert sorted(says(each, "stands by: another process leads")() for each in leaders) == [False, True]


def _assert_terms_are_told(leaders: list[Process]) -> None:
    """Each term of theirs is told in a log, from beginning to end."""
    told = "".join(each.output for each in leaders)
    pids = tuple(f":{each.pid}" for each in leaders)
    terms = [term for term in Leadership.objects.all() if term.leader.endswith(pids)]
    assert terms
    for term in terms:
        assert f"{term.leader} elected, term {term.pk} " in told
        assert f"{term.leader} resigned, term {term.pk}\n" in told


def _assert_ledgers_are_grids() -> None:
    for schedule in Schedule.objects.all():
        assert_ledger_is_the_grid(schedule)
