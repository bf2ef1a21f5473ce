"""A claim costs no memory that is not there: what is long is read when there is room for it, and the rest goes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from pytest_django import Settings

from tests.app.models import Effect
from tests.app.tasks import carry, gates, nothing
from tests.conformance.worker.process.workers import Crew
from tests.conformance.worker.queue.jobs import (
    ALIAS,
    claim,
    claimed_by_the_dead,
    ended,
    enqueue,
    error,
    ids,
    state_of,
)
from tests.processes import eventually
from worker import queue
from worker.arguments import encode
from worker.models import FinishedJob, Job, JobState
from worker.outcomes import Retry
from worker.process import freight
from worker.process.freight import Freight
from worker.values import ClaimedJob

pytestmark = pytest.mark.usefixtures("database")

SHARE = 100
"""Bytes of texts with which one job is claimed here."""
MOST = 10_000


@pytest.fixture(autouse=True)
def in_small(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SCHEDULER = {"BATCH_SIZE": MOST // SHARE}
    monkeypatch.setattr(freight, "MOST_BYTES", MOST)


@dataclass
class Slots:
    """As a pool: so many slots, and what was handed in."""

    slots: int = 2
    jobs: list[ClaimedJob] = field(default_factory=list)

    def held(self) -> list[ClaimedJob]:
        return self.jobs


def freight_of(slots: Slots) -> Freight:
    return Freight(slots)  # type: ignore[arg-type]  # no slot of it works


def load(slots: Slots, claimed: Sequence[ClaimedJob]) -> tuple[list[int], list[int]]:
    """Load what fits. Returns the ids of those, and of the others."""
    loaded, left = freight_of(slots).load(ALIAS, claimed)
    assert not any(job.lacks_texts for job in loaded)
    return ids(loaded), ids(left)


def enqueue_long(*sizes: int) -> list[int]:
    return [enqueue("x" * size) for size in sizes]


def arguments(jobs: Iterable[ClaimedJob]) -> list[str]:
    return [job.arguments for job in jobs]


def test_a_claim_leaves_out_what_is_long_and_nothing_else() -> None:
    enqueue("short")
    enqueue_long(200)

    assert arguments(claim(longest=SHARE)) == [encode(["short"], {}), ""]


def test_without_a_limit_a_claim_leaves_out_nothing() -> None:
    enqueue_long(200_000)

    assert arguments(claim()) == [encode(["x" * 200_000], {})]


def test_errors_weigh_as_much_as_arguments() -> None:
    enqueue("short")
    (job,) = claim()
    queue.ack(ALIAS, [ended(job, Retry(error("no" * SHARE), 0))])

    (again,) = claim(longest=SHARE)
    (whole,), _ = freight_of(Slots()).load(ALIAS, [again])

    assert (again.arguments, again.errors) == ("", "")
    assert whole.arguments == encode(["short"], {})
    assert "nono" in whole.errors


def test_as_many_are_read_as_fit_and_the_others_are_left_from_the_first_that_does_not() -> None:
    long = enqueue_long(4_000, 4_000, 4_000, 50)

    assert load(Slots(), claim(longest=SHARE)) == (long[:2], long[2:])


def test_a_job_a_slot_is_read_however_long_it_is() -> None:
    long = enqueue_long(3 * MOST, 3 * MOST, 50)

    assert load(Slots(), claim(longest=SHARE)) == (long[:2], long[2:])


def test_what_does_not_fit_waits_for_a_free_slot_and_nothing_overtakes_it() -> None:
    slots = Slots(jobs=[*claim_of(enqueue_long(10, 10, 10))])
    too_long = enqueue_long(3 * MOST, 10)
    claimed = claim(longest=SHARE)

    assert load(slots, claimed) == ([], too_long)
    del slots.jobs[:2]
    assert load(slots, claimed) == (too_long[:1], too_long[1:])


def test_what_is_held_counts_until_it_has_ended() -> None:
    slots = Slots()
    hold = freight_of(slots)
    slots.jobs, _ = hold.load(ALIAS, claim_of(enqueue_long(4_000, 4_000), longest=SHARE))
    assert hold.room(slots.jobs) == 0

    one_more = enqueue_long(4_000)
    assert ids(hold.load(ALIAS, claim_of(one_more, longest=SHARE))[1]) == one_more
    del slots.jobs[0]
    assert hold.room(slots.jobs) == 1


def test_a_job_that_was_taken_away_meanwhile_is_neither_read_nor_given_back() -> None:
    enqueue_long(200)
    (job,) = claimed_by_the_dead()
    queue.rescue(ALIAS, limit=10)

    assert load(Slots(), [job._replace(arguments="", errors="")]) == ([], [])


def claim_of(expected: Sequence[int], longest: int = 2 * MOST) -> list[ClaimedJob]:
    jobs = claim(longest=longest)
    assert ids(jobs) == list(expected)
    return jobs


def test_a_worker_that_was_fast_holds_of_long_jobs_no_more_than_fit_and_runs_all_in_order(crew: Crew) -> None:
    """The first of them are claimed blindly, as many as tiny ones would be."""
    nothing.enqueue_many([((number,), {}) for number in range(500)])
    long = carry.enqueue_many([((number, "x" * 4_000), {}) for number in range(30)])
    crew.start(threads=2)
    eventually(lambda: Effect.objects.count() == 2)
    held = Job.objects.filter(state=JobState.RUNNING)
    eventually(lambda: held.count() == 2)
    gates["carry"].set()
    eventually(lambda: not Job.objects.exists(), within=30)

    assert set(map(state_of, long)) == {"succeeded"}
    assert not FinishedJob.objects.exclude(attempts=1, interruptions=0).exists()
    assert sorted(Effect.objects.values_list("key", flat=True)) == sorted(f"{number}: 4000" for number in range(30))


def test_a_job_that_is_longer_than_all_that_fits_runs_among_short_ones(crew: Crew) -> None:
    gates["carry"].set()
    for number, size in enumerate([10, 3 * MOST, 10, 3 * MOST, 10]):
        carry(number, "x" * size)
    crew.start(threads=1)
    eventually(lambda: FinishedJob.objects.count() == 5)

    assert list(Effect.objects.order_by("pk").values_list("key", flat=True)) == [
        "0: 10",
        "1: 30000",
        "2: 10",
        "3: 30000",
        "4: 10",
    ]
