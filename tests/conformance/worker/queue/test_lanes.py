"""Lanes: what is unfinished in them. How jobs take turns there is a matter of promotion."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.worker.queue.jobs import ALIAS, ack, claim_one, claimed_by_the_dead, enqueue, error, new
from tests.schedules.recurrence.moments import at
from worker import queue
from worker.dialects.many import ROWS
from worker.models import JobState
from worker.outcomes import Failed, Outcome, Retry, Succeeded

pytestmark = pytest.mark.usefixtures("database")


def test_a_lane_tells_the_states_of_its_unfinished_jobs() -> None:
    enqueue(lane="a")
    claim_one()
    enqueue(lane="a")
    for state in (JobState.WAITING, JobState.SCHEDULED):
        enqueue(lane="b", state=state, run_at=at("2900-01-01 10:00"))
    enqueue(lane="of no interest")
    enqueue()

    assert queue.unfinished_of(["a", "b", "empty"], ALIAS) == {
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

    assert queue.unfinished_of(["a"], ALIAS) == {"a": {"scheduled"}}


def test_a_job_that_a_dead_worker_held_does_not_count() -> None:
    enqueue(lane="a")
    claimed_by_the_dead()
    queue.rescue(ALIAS, 1000)

    assert queue.unfinished_of(["a"], ALIAS) == {}


@pytest.mark.parametrize("count", [0, 1, ROWS, ROWS + 1])
def test_any_number_of_lanes_is_asked_about(count: int) -> None:
    lanes = [f"schedule:{n}" for n in range(count)]
    queue.enqueue_many([new(lane=lane) for lane in lanes], ALIAS)

    assert queue.unfinished_of(lanes, ALIAS) == {lane: {"ready"} for lane in lanes}
