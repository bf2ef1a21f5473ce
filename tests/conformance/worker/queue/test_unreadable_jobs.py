"""What nobody can read stands in a column of one job: it ends with its reason, and no verb on many stops for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import IntegrityError, connection

from schedules.testing import ManualClock
from tests.app.tasks import leave_trace
from tests.conformance.unreadable import Spoilt, put, spoilt
from tests.conformance.worker.process.workers import Crew, heard
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    another_session,
    claim,
    claimed_by_the_dead,
    enqueue,
    enqueue_in,
    in_history,
    state_of,
)
from tests.schedules.recurrence.moments import at
from worker import queue, signals
from worker.api import get
from worker.clock import database_now
from worker.instants import unreadable_in
from worker.models import FinishedJob, Job, JobState
from worker.refusals import SHORTEST_PAUSE
from worker.rescue import Rescue

pytestmark = pytest.mark.usefixtures("database")

on_a_server = pytest.mark.only_on("postgresql", "mysql")  # SQLite's integers have no end here


def each_column(make: Callable[[], int], *but: str) -> dict[int, Spoilt]:
    """A job for each column and each value, by its id."""
    made = {make(): each for each in spoilt(Job) if each.column not in but}
    for id, each in made.items():
        put(Job, id, each)
    return made


def claim_all() -> set[int]:
    taken = [job.id for job in claim(limit=3)]
    while more := claim(limit=3):
        taken += [job.id for job in more]
    assert len(taken) == len(set(taken))
    return set(taken)


def test_a_job_that_cannot_be_claimed_ends_with_its_reason_and_the_others_are_claimed() -> None:
    first = enqueue()
    made = each_column(enqueue)
    last = enqueue()

    taken = claim_all()

    assert {first, last} <= taken
    for id in made.keys() - taken:
        ended = FinishedJob.objects.get(pk=id)
        assert ended.state == "failed", made[id]
        assert ended.reason == f"The value of {made[id].column} in its row cannot be read, so the job was not run."
        assert not spoilt_columns(FinishedJob, id), made[id]
    assert {each.column for id, each in made.items() if id not in taken} >= {"run_at"}


@pytest.mark.parametrize("model", [Job, FinishedJob])
def test_a_job_is_read_by_its_id_as_django_reads_it_whatever_stands_in_its_row(model: type[Job | FinishedJob]) -> None:
    for each in (None, *spoilt(model)):
        id = enqueue()
        if model is FinishedJob:
            Job.objects.all().delete()
            in_history(id)
        if each is not None:
            put(model, id, each)

        read, expected = get(id).row, model.objects.get(pk=id)

        columns = [field.attname for field in model._meta.concrete_fields]
        assert [getattr(read, name) for name in columns] == [getattr(expected, name) for name in columns], each
        assert (type(read), read._state.db, read._state.adding) == (model, ALIAS, False)


def test_each_alone_is_claimed_or_ended() -> None:
    for each in spoilt(Job):
        id, other = enqueue(), enqueue()
        put(Job, id, each)

        assert other in claim_all(), each
        assert state_of(id) in ("running", "failed"), each
        Job.objects.all().delete()


def test_a_claim_outlives_a_row_that_another_worker_ends_before_it_can() -> None:
    spoilt_one = next(each for each in spoilt(Job) if each.column == "run_at")
    id = enqueue()
    put(Job, id, spoilt_one)
    good = enqueue()
    states: list[str | None] = []

    def overtake(execute: Callable[..., Any], *what: Any) -> Any:
        """The claim has failed, and what it took goes back: that is the first statement that begins so."""
        result = execute(*what)
        if what[0].startswith("UPDATE") and not states:
            with another_session() as using:
                queue.release(using, claim(using=using))
            states.append(state_of(id))
        return result

    with connection.execute_wrapper(overtake):
        taken = claim()

    assert states == ["failed"]
    assert [job.id for job in taken] == [good]


def test_a_worker_drains_the_queue_all_the_same(crew: Crew) -> None:
    made = each_column(lambda: leave_trace("unreadable").pk)
    good = leave_trace("good")

    crew.work_until_idle()

    assert state_of(good.pk) == "succeeded"
    assert {state_of(id) for id in made} <= {"succeeded", "failed"}


@pytest.mark.parametrize("state", [JobState.SCHEDULED, JobState.WAITING])
def test_delayed_jobs_are_made_ready_beside_it_and_none_waits_for_ever(state: JobState) -> None:
    numbers = iter(range(1_000))
    made = each_column(lambda: enqueue_in(state, lane=f"a{next(numbers)}", run_at=database_now(ALIAS)))
    good = enqueue_in(state, lane="good", run_at=database_now(ALIAS))

    queue.promote(ALIAS, database_now(ALIAS) + timedelta(seconds=1))
    list(queue.end_unreachable(ALIAS))

    assert state_of(good) == "ready"
    assert {str(made[id]): state_of(id) for id in made if state_of(id) not in ("ready", "failed")} == {}
    assert queue.next_run_at(ALIAS) is None


def test_what_the_dead_held_is_rescued_beside_it() -> None:
    ids = [enqueue() for _ in spoilt(Job)]
    good = enqueue()
    claimed_by_the_dead()
    made = dict(zip(ids, spoilt(Job), strict=True))
    for id, each in made.items():
        put(Job, id, each)

    Rescue().look(ALIAS)

    assert state_of(good) == "ready"
    assert {str(made[id]): state_of(id) for id in made if state_of(id) != "ready"} == {}


def test_a_deadly_job_is_given_up_beside_it_and_so_is_it() -> None:
    ids = [enqueue() for _ in spoilt(Job)]
    good = enqueue()
    claimed_by_the_dead()
    Job.objects.update(interruptions=queue.MOST_INTERRUPTIONS - 1)
    made = {id: each for id, each in zip(ids, spoilt(Job), strict=True) if each.column != "interruptions"}
    for id, each in made.items():
        put(Job, id, each)

    Rescue().look(ALIAS)

    assert state_of(good) == "failed"
    assert {str(made[id]): state_of(id) for id in made if state_of(id) != "failed"} == {}


def test_cancelling_many_cancels_it_as_well() -> None:
    made = each_column(enqueue)
    good = enqueue()

    queue.cancel([*made, good], "not needed", ALIAS)

    assert {state_of(id) for id in (*made, good)} == {"cancelled"}
    assert not any(spoilt_columns(FinishedJob, id) for id in made)


def test_finished_jobs_are_retried_and_forgotten_beside_it() -> None:
    made = {}
    for n, each in enumerate(spoilt(FinishedJob)):
        in_history(900_000 + n)
        made[900_000 + n] = each
    for id, each in made.items():
        put(FinishedJob, id, each)
    in_history(800_000)

    assert len(queue.retry([*made, 800_000], ALIAS)) == len(made) + 1
    list(queue.prune(ALIAS, database_now(ALIAS) + timedelta(seconds=1)))

    assert state_of(800_000) is None
    assert claim_all()


def test_a_finished_job_to_which_another_table_refers_stays_and_is_told_and_the_others_are_forgotten() -> None:
    for id in range(1, 8):
        in_history(id)
    with referred_to(5), pytest.raises(IntegrityError):
        list(queue.prune(ALIAS, database_now(ALIAS) + timedelta(seconds=1)))

    assert [id for id in range(1, 8) if state_of(id)] == [5]


@contextmanager
def referred_to(id: int) -> Iterator[None]:
    """By a table of somebody else, of which Django knows nothing."""
    history = FinishedJob._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE keepsakes (job bigint NOT NULL, FOREIGN KEY (job) REFERENCES {history} (id))")
        try:
            cursor.execute("INSERT INTO keepsakes VALUES (%s)", [id])
            yield
        finally:
            cursor.execute("DROP TABLE keepsakes")


@on_a_server
def test_a_job_that_cannot_be_rescued_is_passed_over_and_tried_again_at_growing_pauses() -> None:
    refused = enqueue()
    claimed_by_the_dead()
    Job.objects.update(interruptions=connection.ops.integer_field_range("PositiveIntegerField")[1])
    clock = ManualClock(at("10:00"))
    rescue = Rescue(clock)

    with heard(signals.rescue_refused) as told:
        tried: list[int] = []
        for second in range(round(18 * SHORTEST_PAUSE)):
            rescue.look(ALIAS)
            tried += [second] * (len(told) - len(tried))
            clock.advance(1)

    assert {each["id"] for each in told} == {refused}
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert len(tried) == 5
    assert all(2**n * SHORTEST_PAUSE <= pause < 2**n * SHORTEST_PAUSE + 10 for n, pause in enumerate(pauses))


def spoilt_columns(model: type[FinishedJob], id: int) -> list[str]:
    return unreadable_in(model.objects.using(ALIAS).filter(pk=id)).get(id, [])
