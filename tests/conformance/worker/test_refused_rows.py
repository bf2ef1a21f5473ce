"""A row that the database refuses to change or to delete holds up no other: it is set aside, told, and tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from schedules.declarations.sync import Declarations
from schedules.doctor import work
from schedules.leader.lock import lock_on
from schedules.leader.term import Term
from schedules.testing import ManualClock
from tests.conformance.schedules.doctor.test_doctor import found
from tests.conformance.worker.process.test_worker_refused import checked
from tests.conformance.worker.process.workers import Crew, heard, unled
from tests.conformance.worker.queue.jobs import ALIAS, enqueue, in_history, new, state_of
from tests.processes import eventually
from tests.refusals import raising
from worker import erasure, queue, signals
from worker.chores import PRUNE_EVERY, Chores
from worker.clock import database_now
from worker.models import FinishedJob, JobState
from worker.options import options
from worker.process import deputy
from worker.queue.promotion import promote_by_halves
from worker.refusals import LONGEST_PAUSE, MOST_REFUSALS, SHORTEST_PAUSE
from worker.sessions.connection import private_connection

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(database_now(ALIAS))


def delayed(count: int) -> list[int]:
    """Jobs that are due, the first one first."""
    now = database_now(ALIAS)
    jobs = [new(n, state=JobState.SCHEDULED, run_at=now - timedelta(seconds=count - n)) for n in range(count)]
    return queue.enqueue_many(jobs, ALIAS)


def old(count: int) -> list[int]:
    """Jobs that finished long ago."""
    ids = list(range(1, count + 1))
    for id in ids:
        in_history(id)
    FinishedJob.objects.update(finished_at=database_now(ALIAS) - timedelta(days=400))
    return ids


def turns(chores: Chores, most: int = 200) -> int:
    """Until nothing more is due. Returns how many it took."""
    for turn in range(1, most):
        due = chores.do(ALIAS, now := database_now(ALIAS))
        if due is None or due > now:
            return turn
    return pytest.fail("Something seems to be due all the time.")


# Promotion


@pytest.mark.parametrize("place", [0, 20, 39])
def test_a_job_that_cannot_be_promoted_is_told_and_holds_up_no_other(clock: ManualClock, place: int) -> None:
    ids = delayed(40)
    bad = ids[place]

    with raising("worker_job", f"NEW.id = {bad}", on="UPDATE"), heard(signals.chore_refused) as told:
        chores = Chores(clock)
        turns(chores)
        assert {id for id in ids if state_of(id) == "scheduled"} == {bad}
        later = delayed(3)
        turns(chores)
        assert {state_of(id) for id in later} == {"ready"}
        assert f"promote: job {bad}: " in chores.refused
        assert "not today" in chores.refused

    assert [each["chore"] for each in told] == ["promote"]
    clock.advance(SHORTEST_PAUSE)
    turns(chores)
    assert state_of(bad) == "ready"
    assert chores.refused == ""


def test_several_jobs_that_cannot_be_promoted_hold_up_no_other(clock: ManualClock) -> None:
    """More, and all before the others, than are needed to think that all of them would be refused."""
    ids = delayed(40)
    bad = ids[: 2 * MOST_REFUSALS]

    with raising("worker_job", f"NEW.id IN ({', '.join(map(str, bad))})", on="UPDATE"):
        chores = Chores(clock)
        for _ in range(12):
            turns(chores)
            clock.advance(1)
        assert {id for id in ids if state_of(id) == "scheduled"} == set(bad)


def test_a_job_that_is_set_aside_is_tried_again_ever_more_seldom(clock: ManualClock) -> None:
    (bad,) = delayed(1)
    with raising("worker_job", f"NEW.id = {bad}", on="UPDATE"), heard(signals.chore_refused) as told:
        chores = Chores(clock)
        for _ in range(80):
            turns(chores)
            clock.advance(1)

    assert 3 <= len(told) <= 5


def test_who_waits_in_line_and_cannot_be_let_in_holds_up_no_other_lane(clock: ManualClock) -> None:
    now = database_now(ALIAS) - timedelta(seconds=1)
    ids = [enqueue(state=JobState.WAITING, lane=f"lane {n}", run_at=now) for n in range(10)]

    with raising("worker_job", f"NEW.id = {ids[4]}", on="UPDATE"):
        chores = Chores(clock)
        chores.do(ALIAS, database_now(ALIAS))
        assert [state_of(id) for id in ids].count("waiting") == 1
        assert f"job {ids[4]}: " in chores.refused


def test_each_step_is_no_more_than_a_portion_and_a_bad_job_costs_few_of_them() -> None:
    ids, refused = delayed(128), dict[int, Exception]()
    with raising("worker_job", f"NEW.id = {ids[77]}", on="UPDATE"):
        steps = list(promote_by_halves(ALIAS, database_now(ALIAS), 128, refused))

    assert sum(steps) == 127
    assert len(steps) == 2 * 7 + 1
    assert list(refused) == [ids[77]]


# Prune


def test_a_row_that_cannot_be_pruned_is_told_and_holds_up_no_other(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "PORTION", 8)
    ids = old(30)
    bad = {ids[0], ids[1], ids[2], ids[3], ids[17]}

    with (
        raising("worker_finishedjob", f"OLD.id IN ({', '.join(map(str, bad))})", on="DELETE"),
        heard(signals.chore_refused) as told,
    ):
        chores = Chores(clock)
        chores.keep(ALIAS, database_now(ALIAS))
        assert set(FinishedJob.objects.values_list("pk", flat=True)) == bad
        assert "prune: FinishedJob " in chores.refused
        assert "and 4 more" in chores.refused

    assert [(each["chore"], each["retry_in"]) for each in told] == [("prune", PRUNE_EVERY)]
    clock.advance(PRUNE_EVERY)
    chores.keep(ALIAS, database_now(ALIAS))
    assert not FinishedJob.objects.exists()
    assert chores.refused == ""


def test_where_nothing_can_be_pruned_few_rows_are_tried(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "MOST_KEPT", 4)
    old(30)
    with raising("worker_finishedjob", "OLD.id > 0", on="DELETE"), heard(signals.chore_refused) as told:
        Chores(clock).keep(ALIAS, database_now(ALIAS))

    assert len(told) == 1
    assert FinishedJob.objects.count() == 30


# Loud


def test_what_is_refused_of_upkeep_is_told_of_the_leader_by_check_and_doctor_until_it_is_done(
    clock: ManualClock,
) -> None:
    (bad,) = delayed(1)
    with private_connection(ALIAS, "leader") as using:
        lock = lock_on(using)
        assert lock.acquire()
        try:
            term = Term(using, lock, "web:1", database_now(using), Declarations([]), host=clock)
            term.begin()
            with raising("worker_job", f"NEW.id = {bad}", on="UPDATE"):
                for _ in range(3):
                    term.turn()
                    clock.advance(options().HEARTBEAT)
                assert f"chore-refused: The database refuses upkeep by web:1: promote: job {bad}: " in checked()
                assert found(work.problems)["chore-refused"].severity == "error"
            for _ in range(3):
                term.turn()
                clock.advance(LONGEST_PAUSE)
        finally:
            lock.abandon()

    assert state_of(bad) == "ready"
    assert "chore-refused" not in checked()


def test_what_is_refused_of_upkeep_is_told_of_a_worker_that_stands_in_for_a_leader(
    crew: Crew, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.2, "RESCUE_AFTER": 20}
    monkeypatch.setattr(deputy, "LEADER_MISSED_AFTER", 0.2)
    (bad,) = delayed(1)
    with raising("worker_job", f"NEW.id = {bad}", on="UPDATE"):
        crew.start(leader_sign=unled)
        eventually(lambda: f"promote: job {bad}: " in checked(), within=30)
