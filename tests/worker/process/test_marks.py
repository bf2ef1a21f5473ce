"""Where a claim begins to look, against a queue in memory and a clock in hand."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules.testing import ManualClock
from worker.process import marks
from worker.process.marks import Marks
from worker.values import ClaimedJob

NOW = datetime(2026, 7, 1, tzinfo=UTC)


COST = 0.25


class Queue:
    """Ready jobs as (-priority, id). Looking everywhere costs a quarter of a second, beyond marks nothing."""

    def __init__(self, clock: ManualClock, *, one_mark: bool = False) -> None:
        self.clock = clock
        self.one_mark = one_mark
        self.ready: list[tuple[int, int]] = []
        self.looked_everywhere = 0
        self.cost = COST

    def add(self, id: int, priority: int = 0) -> None:
        insort(self.ready, (-priority, id))

    def claim(self, by: Marks, limit: int = 10) -> list[tuple[int, int]]:
        """Returns (priority, id) of what it took."""

        def ask(beyond: Mapping[int, int]) -> list[ClaimedJob]:
            if not beyond:
                self.looked_everywhere += 1
                self.clock.advance(self.cost)
            found = [place for place in self.ready if place[1] >= self._mark(beyond, -place[0])][:limit]
            self.ready = [place for place in self.ready if place not in found]
            return [
                ClaimedJob(id, 1, "task", "[[],{}]", 0, 5, "", NOW, None, None, None, 0, -urgency, "default", NOW)
                for urgency, id in found
            ]

        return [(job.priority, job.id) for job in by.follow(ask, limit)]

    def _mark(self, beyond: Mapping[int, int], priority: int) -> int:
        return max(beyond.values(), default=0) if self.one_mark else beyond.get(priority, 0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def queue(clock: ManualClock) -> Queue:
    return Queue(clock)


def test_looking_everywhere_takes_a_tenth_of_the_time_at_most(queue: Queue, clock: ManualClock) -> None:
    by = Marks(clock, needed=True)
    for id in range(1, 201):
        queue.add(id)
        queue.claim(by)
        clock.advance(0.5)

    assert queue.looked_everywhere * COST == pytest.approx(0.1 * (clock.monotonic()), abs=1)


@pytest.mark.parametrize("cost", [1.0, 60.0])
def test_however_long_it_takes_everything_is_looked_at_again_after_five_seconds(
    queue: Queue, clock: ManualClock, cost: float
) -> None:
    by = Marks(clock, needed=True)
    queue.cost = cost
    queue.add(5000)
    assert queue.claim(by)

    assert not queue.claim(by)

    assert by.rest_due_at == clock.monotonic() + 5.0


def test_what_became_ready_behind_a_mark_is_found_when_everything_is_looked_at(
    queue: Queue, clock: ManualClock
) -> None:
    by = Marks(clock, needed=True)
    queue.add(5000)
    assert queue.claim(by) == [(0, 5000)]
    queue.add(7)

    assert queue.claim(by) == []
    assert by.rest_due_at == clock.monotonic() + 10 * COST
    clock.advance(by.rest_due_at - clock.monotonic())
    assert queue.claim(by) == [(0, 7)]


def test_nothing_was_passed_over_by_a_claim_that_looked_everywhere(queue: Queue, clock: ManualClock) -> None:
    by = Marks(clock, needed=True)

    queue.claim(by)

    assert by.rest_due_at == float("inf")


def test_what_others_enqueued_a_little_earlier_is_not_behind_the_mark(queue: Queue, clock: ManualClock) -> None:
    by = Marks(clock, needed=True)
    queue.add(5000)
    queue.claim(by)
    queue.add(4200)

    assert queue.claim(by) == [(0, 4200)]


def test_a_new_priority_is_behind_no_mark(queue: Queue, clock: ManualClock) -> None:
    by = Marks(clock, needed=True)
    queue.add(5000, priority=1)
    queue.claim(by)
    queue.add(1, priority=2)
    queue.add(2, priority=0)

    assert queue.claim(by) == [(2, 1), (0, 2)]


def test_many_old_jobs_that_become_ready_at_once_are_drained_in_their_order(queue: Queue, clock: ManualClock) -> None:
    by = Marks(clock, needed=True)
    queue.add(5000)
    queue.claim(by)
    for id in range(1, 101):
        queue.add(id)
    clock.advance(20.0)

    assert [id for _ in range(10) for _, id in queue.claim(by)] == list(range(1, 101))
    assert queue.looked_everywhere <= 2


def test_where_no_places_are_kept_each_claim_looks_everywhere(queue: Queue, clock: ManualClock) -> None:
    by = Marks(clock, needed=False)
    for id in (5000, 7):
        queue.add(id)
        assert queue.claim(by) == [(0, id)]

    assert queue.looked_everywhere == 2


def test_only_the_marks_used_last_are_kept(queue: Queue, clock: ManualClock) -> None:
    by = Marks(clock, needed=True)
    for priority in range(-100, 101):
        queue.add(priority + 5000, priority)
        queue.claim(by)

    assert list(by._ids) == list(range(101 - marks.MOST, 101))


def test_with_one_mark_for_all_a_full_claim_is_followed_by_a_look_at_what_it_left_before_the_mark(
    clock: ManualClock,
) -> None:
    queue, by = Queue(clock, one_mark=True), Marks(clock, needed=True, in_one=True)
    for id in range(1, 16):
        queue.add(id)
    queue.add(5000, priority=1)

    assert [len(queue.claim(by)) for _ in range(3)] == [10, 6, 0]
    assert queue.looked_everywhere == 2


places = st.tuples(st.integers(1, 6000), st.integers(-2, 2))


@given(st.lists(st.tuples(st.lists(places, max_size=6), st.floats(0, 20), st.integers(1, 4))), st.booleans())
def test_each_job_is_taken_once_the_most_urgent_first(
    steps: list[tuple[list[tuple[int, int]], float, int]], one_mark: bool
) -> None:
    clock = ManualClock(NOW)
    queue, by = Queue(clock, one_mark=one_mark), Marks(clock, needed=True, in_one=one_mark)
    ids = iter(range(10_000_000))
    added, taken = [], []
    for arriving, pause, limit in steps:
        for coarse, priority in arriving:
            place = (priority, coarse * 10_000_000 + next(ids))
            queue.add(place[1], priority)
            added.append(place)
        taken += in_order(queue.claim(by, limit))
        clock.advance(pause)
    taken += [place for batch in rest(queue, by, clock) for place in in_order(batch)]

    assert sorted(taken) == sorted(added)


def rest(queue: Queue, by: Marks, clock: ManualClock) -> Iterator[list[tuple[int, int]]]:
    """What an idle worker still takes: it looks again when the rest is due, and is idle once it looked everywhere."""
    while (batch := queue.claim(by)) or by.rest_due_at != float("inf"):
        yield batch
        if not batch:
            clock.advance(by.rest_due_at - clock.monotonic())


def in_order(batch: list[tuple[int, int]]) -> list[tuple[int, int]]:
    assert batch == sorted(batch, key=lambda place: (-place[0], place[1]))
    return batch
