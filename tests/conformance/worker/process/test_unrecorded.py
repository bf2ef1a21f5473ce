"""Outcomes that a database refuses: each job ends all the same or stays in sight, and none holds up another."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connections

from tests.conformance.worker.process.workers import Session, cut
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    another_session,
    claim,
    ended,
    enqueue,
    error,
    in_history,
    state_of,
)
from worker.messages.errors import LONGEST_TOLD
from worker.models import FinishedJob, Job
from worker.outcomes import Failed, Outcome, Retry, Succeeded
from worker.process.unrecorded import Unrecorded
from worker.sessions.connection import private_connection

pytestmark = pytest.mark.usefixtures("database")

NEVER = 1e18
"""Seconds: no database has a date so late."""


def after(*outcomes: Outcome) -> tuple[Unrecorded, list[int]]:
    """So many jobs ran, and the ids of them."""
    ids = [enqueue(n) for n in range(len(outcomes))]
    unrecorded = Unrecorded("host:1")
    unrecorded.add([ended(job, outcome) for job, outcome in zip(claim(), outcomes, strict=True)])
    return unrecorded, ids


def test_an_outcome_that_is_refused_becomes_a_failure_that_says_so_and_holds_up_no_other() -> None:
    unrecorded, ids = after(Succeeded(), Retry(error(), NEVER), Failed(error()), Retry(error(), 60))

    assert unrecorded.record(ALIAS) == 4

    assert [state_of(id) for id in ids] == ["succeeded", "failed", "failed", "scheduled"]
    refused = FinishedJob.objects.get(pk=ids[1])
    assert "could not be recorded, since the database refused it" in refused.reason
    assert refused.attempts == len(refused.error_list) == 1
    assert unrecorded.waiting == []


def test_a_job_whose_id_stands_in_history_goes_there_under_a_new_one_and_says_so() -> None:
    unrecorded, ids = after(Succeeded(), Succeeded(), Failed(error("no luck")), Succeeded())
    in_history(ids[1])
    in_history(ids[2])

    assert unrecorded.record(ALIAS) == 4

    assert unrecorded.waiting == []
    assert [state_of(id) for id in (ids[0], ids[3])] == ["succeeded", "succeeded"]
    assert not Job.objects.exists()
    anew = FinishedJob.objects.filter(pk__gt=ids[-1]).order_by("pk")
    assert [(job.args, job.state) for job in anew] == [([1], "succeeded"), ([2], "failed")]
    assert anew[0].reason.startswith(f"It was job {ids[1]}: history has another of that id")
    assert anew[1].reason.startswith(f"ValueError: no luck It was job {ids[2]}:")


@pytest.mark.own_session
def test_what_a_lost_database_did_not_take_waits_for_the_next_session() -> None:
    unrecorded, ids = after(Succeeded(), Retry(error(), NEVER), Succeeded())

    with private_connection(ALIAS, "worker") as other:
        cut(Session.of(connections[other]))
        with pytest.raises(OperationalError):
            unrecorded.record(other)
        assert len(unrecorded.waiting) == 3
    assert unrecorded.record(ALIAS) == 3

    assert [state_of(id) for id in ids] == ["succeeded", "failed", "succeeded"]


def test_many_errors_of_the_greatest_length_are_recorded() -> None:
    longest = "\U0001f514" * LONGEST_TOLD
    unrecorded, ids = after(*(Failed(error(longest)) for _ in range(40)))

    while unrecorded.waiting:
        with another_session() as using:
            unrecorded.record(using)

    assert FinishedJob.objects.filter(pk__in=ids, state="failed").count() == 40
    assert FinishedJob.objects.get(pk=ids[0]).error_list[0]["message"] == longest
