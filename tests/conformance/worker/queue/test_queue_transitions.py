"""The picture at the top of `worker.queue`, as a table: every way that leads on, and none besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.worker.queue.jobs import (
    ALIAS,
    FAR_FUTURE,
    SOMEBODY,
    ack,
    claim,
    claim_one,
    enqueue,
    enqueue_in,
    error,
    rows,
    state_of,
    strike_off,
)
from worker import queue
from worker.arguments import encode
from worker.models import FinishedState, JobState
from worker.outcomes import Cancelled, Failed, Missed, Outcome, Retry, Snoozed, Succeeded
from worker.values import ClaimedJob

pytestmark = pytest.mark.usefixtures("database")


def rescued_from(worker: int) -> None:
    strike_off(worker)
    queue.rescue(ALIAS, 1000)


VERBS: dict[str, Callable[[ClaimedJob], Any]] = {
    "promote": lambda job: queue.promote(ALIAS, FAR_FUTURE),
    "hold": lambda job: queue.hold_lane("a", ALIAS),
    "let go": lambda job: queue.let_go_lane("a", ALIAS),
    "claim": lambda job: claim(),
    "succeed": lambda job: ack(job, Succeeded()),
    "fail": lambda job: ack(job, Failed(error())),
    "cancel itself": lambda job: ack(job, Cancelled("why")),
    "miss": lambda job: ack(job, Missed("late")),
    "retry later": lambda job: ack(job, Retry(error(), 60)),
    "retry at once": lambda job: ack(job, Retry(error(), 0)),
    "snooze": lambda job: ack(job, Snoozed(60)),
    "snooze for no time": lambda job: ack(job, Snoozed(0)),
    "release": lambda job: queue.release(ALIAS, [job]),
    "release unheld": lambda job: queue.release_unheld(ALIAS, SOMEBODY, []),
    "rescue": lambda job: rescued_from(SOMEBODY),
    "cancel": lambda job: queue.cancel([job.id], "by hand", ALIAS),
    "cancel equal": lambda job: queue.cancel_equal("a.task", encode([], {}), "by hand", ALIAS),
    "cancel lane": lambda job: queue.cancel_lane("a", "by hand", ALIAS),
    "retry by hand": lambda job: queue.retry([job.id], ALIAS),
    "prune": lambda job: sum(queue.prune(ALIAS, FAR_FUTURE)),
}
UNSTARTED = dict.fromkeys(map(str, queue.UNSTARTED), "cancelled")
PICTURE: dict[str, dict[str, str | None]] = {
    "promote": {"scheduled": "ready", "waiting": "ready"},
    "hold": {"waiting": "held"},
    "let go": {"held": "waiting"},
    "claim": {"ready": "running"},
    "succeed": {"running": "succeeded"},
    "fail": {"running": "failed"},
    "cancel itself": {"running": "cancelled"},
    "miss": {"running": "missed"},
    "retry later": {"running": "scheduled"},
    "retry at once": {"running": "ready"},
    "snooze": {"running": "scheduled"},
    "snooze for no time": {"running": "ready"},
    "release": {"running": "ready"},
    "release unheld": {"running": "ready"},
    "rescue": {"running": "ready"},
    "cancel": {**UNSTARTED, "running": "running"},  # it is asked to stop
    "cancel equal": {**UNSTARTED},
    "cancel lane": {**UNSTARTED},
    "retry by hand": {},
    "prune": dict.fromkeys(FinishedState.values),
}
ENDS: dict[str, Callable[[], Outcome]] = {
    "succeeded": Succeeded,
    "failed": lambda: Failed(error()),
    "cancelled": lambda: Cancelled("why"),
    "missed": lambda: Missed("late"),
}


def job_in(state: str) -> ClaimedJob:
    """A job in that state, as somebody sees it who holds it, or believes to."""
    if state != JobState.RUNNING and state not in ENDS:
        id = enqueue_in(JobState(state), lane="a")
        return ClaimedJob(id, 1, "a.task", "[[],{}]", 0, 5, "", FAR_FUTURE, None, None, 1, 0, 0, "default", FAR_FUTURE)
    enqueue(lane="a")
    job = claim_one()
    if state in ENDS:
        ack(job, ENDS[state]())
    return job


def row(job: ClaimedJob) -> list[dict[str, Any]]:
    """All of it but the note that it was retried, which is no part of what became of it."""
    return [row | {"retried_at": None} for row in rows() if row["id"] == job.id]


@pytest.mark.parametrize("state", [*JobState.values, *FinishedState.values])
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_leads_where_the_picture_says_and_nowhere_else(verb: str, state: str) -> None:
    job = job_in(state)
    before = row(job)

    VERBS[verb](job)

    if state in PICTURE[verb]:
        assert state_of(job.id) == PICTURE[verb][state]
    else:
        assert row(job) == before
