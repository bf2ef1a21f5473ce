"""A privilege that is missing for a while ends no session, on any database: it is told, and all else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import DatabaseError, connections
from pytest_django import Settings

from schedules.declarations.sync import declarations
from schedules.leader.lock import lock_on
from schedules.leader.term import Term
from schedules.testing import ManualClock
from tests.app.models import Effect
from tests.app.tasks import leave_trace
from tests.conformance.worker.process.workers import Crew, Session, cut, heard, unled
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    another_session,
    claimed_by_the_dead,
    enqueue,
    in_history,
    living_worker,
    state_of,
)
from tests.processes import eventually
from tests.roles import Authorizer, Role, taken_from_other_sessions
from tests.schedules.recurrence.moments import at
from worker import queue, signals
from worker.chores import Chores
from worker.clock import database_now
from worker.models import FinishedJob, Job
from worker.promotion import AGAIN_AFTER
from worker.refusals import MOST_REFUSALS, is_refusal
from worker.rescue import Rescue
from worker.sessions.connection import private_connection

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.own_session]


@pytest.fixture
def others() -> Iterator[Role | Authorizer]:
    """Sessions that are opened in the test, from which a privilege can be taken."""
    with taken_from_other_sessions() as others:
        yield others


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(at("10:00"))


@pytest.mark.parametrize("privilege", ["SELECT", "INSERT", "UPDATE", "DELETE"])
def test_a_privilege_that_is_missing_is_a_refusal_and_a_session_that_is_lost_is_none(
    others: Role | Authorizer, privilege: str
) -> None:
    statement = {
        "SELECT": "SELECT id FROM worker_job",
        "INSERT": "INSERT INTO worker_calllock (id) VALUES (1)",
        "UPDATE": "UPDATE worker_job SET priority = 1",
        "DELETE": "DELETE FROM worker_job",
    }[privilege]
    table = "worker_calllock" if privilege == "INSERT" else "worker_job"
    with another_session("limited") as using:
        with others.without(privilege, table), pytest.raises(DatabaseError) as refused:
            connections[using].cursor().execute(statement)
        assert is_refusal(refused.value, using)
        connections[using].cursor().execute(statement)

        cut(Session.of(connections[using]))
        with pytest.raises(DatabaseError) as lost:
            connections[using].cursor().execute(statement)
        assert not is_refusal(lost.value, using)


def test_a_job_that_may_not_be_given_up_is_told_and_others_are_rescued(others: Role | Authorizer) -> None:
    deadly, young = enqueue(), enqueue()
    claimed_by_the_dead()
    Job.objects.filter(pk=deadly).update(interruptions=queue.MOST_INTERRUPTIONS - 1)
    clock = ManualClock(at("10:00"))

    with another_session() as using, heard(signals.rescue_refused) as told:
        rescue = Rescue(clock)
        with others.without("INSERT", "worker_finishedjob"):
            assert rescue.look(using) == 1
            assert [each["id"] for each in told] == [deadly]
            assert (state_of(deadly), state_of(young)) == ("running", "ready")
        clock.advance(60)
        assert rescue.look(using) == 1

    assert state_of(deadly) == "failed"


def test_a_rescue_that_is_refused_costs_a_few_tries_however_much_the_dead_held(
    others: Role | Authorizer, clock: ManualClock
) -> None:
    for _ in range(50):
        enqueue()
    claimed_by_the_dead()

    with another_session() as using, heard(signals.rescue_refused) as told:
        with others.without("UPDATE", "worker_job"):
            Rescue(clock).look(using)
        assert 0 < len(told) <= MOST_REFUSALS


def test_the_dead_who_may_not_be_struck_off_keep_no_chore_from_being_done(
    others: Role | Authorizer, clock: ManualClock, settings: Settings
) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 4, "RESCUE_AFTER": 20}
    living_worker()
    in_history(1)
    FinishedJob.objects.update(finished_at=database_now(ALIAS) - timedelta(days=400))

    with another_session() as using, heard(signals.chore_refused) as told:
        chores = Chores(clock)
        with others.without("DELETE", "worker_workerprocess"):
            for _ in range(30):
                chores.keep(using, database_now(using))
                clock.advance(1)

    assert {each["chore"] for each in told} == {"rescue"}
    assert not FinishedJob.objects.exists()


def test_what_may_not_be_promoted_keeps_no_chore_from_being_done_and_is_promoted_when_it_may(
    others: Role | Authorizer, clock: ManualClock
) -> None:
    due = enqueue(state="scheduled", run_at=database_now(ALIAS) - timedelta(seconds=1))
    in_history(due + 1)
    FinishedJob.objects.update(finished_at=database_now(ALIAS) - timedelta(days=400))

    with another_session() as using, heard(signals.chore_refused) as told:
        chores = Chores(clock)
        with others.without("UPDATE", "worker_job"):
            for _ in range(3):
                chores.do(using, database_now(using))
            assert [(each["chore"], each["retry_in"]) for each in told] == [("promote", AGAIN_AFTER)]
            assert (state_of(due), FinishedJob.objects.count()) == ("scheduled", 0)
        clock.advance(AGAIN_AFTER)
        chores.do(using, database_now(using))

    assert state_of(due) == "ready"


def test_what_may_not_be_pruned_is_told_and_stays(others: Role | Authorizer, clock: ManualClock) -> None:
    in_history(1)
    FinishedJob.objects.update(finished_at=database_now(ALIAS) - timedelta(days=400))

    with (
        another_session() as using,
        heard(signals.chore_refused) as told,
        others.without("DELETE", "worker_finishedjob"),
    ):
        Chores(clock).keep(using, database_now(using))

    assert [each["chore"] for each in told] == ["prune"]
    assert FinishedJob.objects.exists()


def test_a_worker_that_may_not_give_up_what_the_dead_held_runs_jobs_in_the_same_session(
    others: Role | Authorizer, crew: Crew
) -> None:
    """It does the chores, for it is to end when nothing is due."""
    deadly = enqueue()
    claimed_by_the_dead()
    Job.objects.filter(pk=deadly).update(interruptions=queue.MOST_INTERRUPTIONS - 1)
    leave_trace("a")

    with heard(signals.database_lost) as lost, heard(signals.rescue_refused) as told:
        with others.without("INSERT", "worker_finishedjob"):
            hand = crew.start(until_idle=True, leader_sign=unled)
            eventually(lambda: bool(told) and Effect.objects.exists())
        hand.wait(within=30)

    assert lost == []
    assert FinishedJob.objects.get().args == ["a"]


def test_a_term_goes_on_while_what_is_due_may_not_be_promoted(others: Role | Authorizer) -> None:
    enqueue(state="scheduled", run_at=database_now(ALIAS) - timedelta(seconds=1))

    with private_connection(ALIAS, "leader") as using, heard(signals.chore_refused) as told:
        lock = lock_on(using)
        assert lock.acquire()
        try:
            term = Term(using, lock, "by hand", database_now(using), declarations())
            term.begin()
            with others.without("UPDATE", "worker_job"):
                pauses = [term.turn() for _ in range(20)]
        finally:
            lock.abandon()

    assert [each["chore"] for each in told] == ["promote"]
    assert pauses[-1] > 0
