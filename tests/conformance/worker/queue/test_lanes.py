"""Lanes: what is unfinished in them. How jobs take turns there is a matter of promotion."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.worker.queue.jobs import ALIAS, ack, claim_one, claimed_by_the_dead, enqueue, error, new
from tests.schedules.recurrence.moments import at
from worker import queue
from worker.dialects.many import ROWS
from worker.models import Job, JobState
from worker.outcomes import Failed, Outcome, Retry, Succeeded

pytestmark = pytest.mark.usefixtures("database")


def states(lanes: list[str]) -> dict[str, set[str]]:
    return {lane: {job.state for job in jobs} for lane, jobs in queue.unfinished_of(lanes, ALIAS).items()}


def test_a_lane_tells_the_states_of_its_unfinished_jobs() -> None:
    enqueue(lane="a")
    claim_one()
    enqueue(lane="a")
    for state in (JobState.WAITING, JobState.SCHEDULED):
        enqueue(lane="b", state=state, run_at=at("2900-01-01 10:00"))
    enqueue(lane="of no interest")
    enqueue()

    assert states(["a", "b", "empty"]) == {
        "a": {"running", "ready"},
        "b": {"waiting", "scheduled"},
    }


@pytest.mark.parametrize("end", [Succeeded, lambda: Failed(error())])
def test_a_finished_job_is_no_longer_in_its_lane(end: Callable[[], Outcome]) -> None:
    enqueue(lane="a")
    ack(claim_one(), end())

    assert queue.unfinished_of(["a"], ALIAS) == {}


def test_a_job_that_will_be_retried_is_unfinished() -> None:
    enqueue(lane="a")
    ack(claim_one(), Retry(error(), delay=3600))

    assert states(["a"]) == {"a": {"scheduled"}}


def test_a_job_that_a_dead_worker_held_is_told_from_the_others() -> None:
    enqueue(lane="a")
    claimed_by_the_dead()
    queue.rescue(ALIAS, 1000)
    enqueue(lane="a")

    assert {job.interruptions for job in queue.unfinished_of(["a"], ALIAS)["a"]} == {0, 1}


@pytest.mark.parametrize("count", [0, 1, ROWS, ROWS + 1])
def test_any_number_of_lanes_is_asked_about(count: int) -> None:
    lanes = [f"schedule:{n}" for n in range(count)]
    queue.enqueue_many([new(lane=lane) for lane in lanes], ALIAS)

    assert states(lanes) == {lane: {"ready"} for lane in lanes}


def test_jobs_that_may_not_stay_leave_their_lane_but_not_while_they_run() -> None:
    enqueue(lane="a", queue="old")
    claim_one()
    old = [enqueue(lane="a", queue="old", state=state) for state in (JobState.READY, JobState.WAITING)]
    enqueue(lane="a", queue="new")

    assert queue.leave_lane("a", lambda job: job.queue == "new", "b", ALIAS) == 2

    assert list(Job.objects.filter(lane="b").order_by("pk").values_list("pk", flat=True)) == old
    assert states(["a", "b"]) == {"a": {"running", "ready"}, "b": {"ready", "waiting"}}
