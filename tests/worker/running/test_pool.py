"""Slots: what is handed in comes back with an outcome, or untouched. Real threads, no database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

from schedules.testing import ManualClock
from tests.processes import eventually
from tests.schedules.recurrence.moments import at
from worker import signals, tasks
from worker.outcomes import Failed, Outcome, Retry, Succeeded
from worker.reports import Reports
from worker.results import LONGEST
from worker.running import execution
from worker.running.atomic_run import AtomicRuns
from worker.running.gathered import MOST_CHARACTERS
from worker.running.pool import ThreadPool
from worker.running.slot import Slot
from worker.tasks import Task
from worker.values import ClaimedJob, Ended

NOW = at("10:00")
TASK = "a task of the pool"
A_LONG_RESULT = "another, with a long result"
numbers = count(1)


def job() -> ClaimedJob:
    return ClaimedJob(next(numbers), 1, TASK, "[[],{}]", 0, 5, "", NOW, None, None, None, 0, 0, "default", NOW)


class Bench:
    """A pool, a gate at which its jobs wait, and how often the pool called for attention."""

    def __init__(self, slots: int) -> None:
        self.calls: list[int] = []
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        clock = ManualClock(NOW)
        runs, reports = AtomicRuns("default", "", clock.now), Reports(clock, lambda: None)
        self.pool = ThreadPool(slots, clock, lambda: self.calls.append(1), runs, reports)

    def task(self) -> str:
        self.begun.release()
        self.gate.wait(timeout=30)
        return "done"

    def give_back(self, result: str) -> str:
        self.begun.release()
        return result

    def begin(self, jobs: list[ClaimedJob], *, running: int) -> None:
        """Hand in the jobs, and wait until so many of them run."""
        self.pool.submit(jobs)
        for _ in range(running):
            assert self.begun.acquire(timeout=10)

    def finish(self, number: int) -> list[Ended]:
        """Open the gate, and collect so many ended jobs."""
        self.gate.set()
        ended: list[Ended] = []

        def all_ended() -> bool:
            ended.extend(self.pool.ended())
            return len(ended) >= number

        eventually(all_ended)
        return ended


MakeBench = Callable[[int], Bench]


@pytest.fixture
def bench(own_declarations: None) -> Iterator[MakeBench]:
    benches: list[Bench] = []

    def make(slots: int) -> Bench:
        new = Bench(slots)
        benches.append(new)
        tasks.register(Task(new.task, TASK))
        return new

    yield make
    for each in benches:
        each.gate.set()
        each.pool.close()
    eventually(lambda: not slot_threads())


def slot_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("carillon-slot")]


def test_every_job_comes_back_once_with_its_outcome(bench: MakeBench) -> None:
    it, jobs = bench(3), [job() for _ in range(50)]
    it.gate.set()

    it.pool.submit(jobs)
    ended = it.finish(50)

    assert sorted(each.job.id for each in ended) == [each.id for each in jobs]
    assert all(each.outcome == Succeeded("done") for each in ended)
    assert it.pool.held() == []
    assert it.pool.ended() == []


def test_a_pool_runs_as_many_jobs_at_once_as_it_has_slots(bench: MakeBench) -> None:
    it = bench(3)

    it.begin([job() for _ in range(4)], running=3)

    assert not it.begun.acquire(blocking=False)
    assert len(it.finish(4)) == 4


def test_jobs_that_are_handed_in_one_by_one_run_at_once_too(bench: MakeBench) -> None:
    it = bench(3)

    for _ in range(3):
        it.begin([job()], running=1)

    assert len(it.finish(3)) == 3


def test_only_jobs_that_no_slot_has_begun_are_taken_back(bench: MakeBench) -> None:
    it, jobs = bench(2), [job() for _ in range(5)]

    it.begin(jobs, running=2)

    assert it.pool.withdraw() == jobs[2:]
    assert it.pool.held() == jobs[:2]
    assert it.pool.withdraw() == []
    assert {each.job.id for each in it.finish(2)} == {each.id for each in jobs[:2]}


def test_a_job_is_held_until_its_outcome_is_collected(bench: MakeBench) -> None:
    it, jobs = bench(1), [job()]
    it.begin(jobs, running=1)

    it.gate.set()
    eventually(lambda: it.calls)

    assert it.pool.held() == jobs
    it.finish(1)
    assert it.pool.held() == []


def test_a_slot_calls_for_attention_when_nothing_is_left_to_begin(bench: MakeBench) -> None:
    it = bench(1)
    it.begin([job()], running=1)
    assert it.calls == []

    it.gate.set()

    eventually(lambda: it.calls)


def test_results_that_grow_long_are_called_for_and_no_slot_begins_a_job_while_they_are_too_long(
    bench: MakeBench,
) -> None:
    it, jobs, size = bench(1), [job() for _ in range(20)], LONGEST - len('""')
    most = MOST_CHARACTERS // LONGEST
    tasks.register(Task(partial(it.give_back, "x" * size), A_LONG_RESULT, keep_result=True))
    it.gate.set()

    it.begin([each._replace(task=A_LONG_RESULT) for each in jobs], running=most + 1)
    eventually(lambda: len(it.calls) == most + 1 - (most // 2 - 1))

    assert not it.begun.acquire(timeout=0.5)
    assert len(it.pool.ended()) == most + 1
    assert {len(each.kept) for each in it.finish(len(jobs) - most - 1)} == {LONGEST}


def test_a_pool_that_is_closed_holds_up_no_slot_for_long_results(bench: MakeBench) -> None:
    it = bench(1)
    tasks.register(Task(partial(it.give_back, "x" * 2**19), A_LONG_RESULT, keep_result=True))
    it.gate.set()
    most = MOST_CHARACTERS // 2**19
    it.begin([job()._replace(task=A_LONG_RESULT) for _ in range(3 * most)], running=most)

    it.pool.withdraw()
    it.pool.close()

    eventually(lambda: not slot_threads())


def test_a_closed_pool_ends_its_threads_when_they_are_free(bench: MakeBench) -> None:
    it = bench(3)
    it.begin([job()], running=1)

    it.pool.close()
    eventually(lambda: len(slot_threads()) == 1)

    assert len(it.finish(1)) == 1
    eventually(lambda: not slot_threads())


def test_a_receiver_that_fails_does_not_keep_a_job_from_running(bench: MakeBench) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("a receiver of the project's")

    it = bench(1)
    signals.job_started.connect(fail)
    try:
        it.begin([job()], running=1)
        assert it.finish(1)[0].outcome == Succeeded("done")
    finally:
        signals.job_started.disconnect(fail)


@pytest.mark.parametrize(("attempts", "outcome"), [(0, Retry), (4, Failed)])
def test_a_run_that_breaks_down_by_a_fault_of_ours_is_a_failed_attempt_and_keeps_its_retries(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, attempts: int, outcome: type[Outcome]
) -> None:
    def break_down(*_: Any, **__: Any) -> None:
        raise SystemExit("a fault of ours")

    it = bench(1)
    monkeypatch.setattr(execution, "run", break_down)

    it.pool.submit([job()._replace(attempts=attempts)])
    (ended,) = it.finish(1)

    assert isinstance(ended.outcome, (Retry, Failed))
    assert type(ended.outcome) is outcome
    assert (ended.outcome.error.kind, ended.outcome.error.message) == ("SystemExit", "a fault of ours")
    assert "break_down" in ended.outcome.error.traceback


class Broken(Exception):
    """What ends a slot."""


def die(*_: Any) -> None:
    raise Broken


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("attempts", "outcome"), [(0, Retry), (4, Failed)])
def test_a_slot_whose_thread_dies_is_replaced_and_its_job_has_had_a_failed_attempt(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, attempts: int, outcome: type[Outcome]
) -> None:
    it, lost, other = bench(2), job()._replace(attempts=attempts), job()
    it.gate.set()
    assert it.pool.mend() == 2

    with monkeypatch.context() as while_broken:
        while_broken.setattr(Slot, "run", die)
        it.pool.submit([lost])
        eventually(lambda: len(slot_threads()) == 1)
    assert it.pool.held() == [lost]

    assert it.pool.mend() == 2
    (ended,) = it.finish(1)
    assert ended.job is lost
    assert isinstance(ended.outcome, (Retry, Failed))
    assert type(ended.outcome) is outcome
    assert (ended.outcome.error.kind, ended.outcome.error.attempt) == ("SlotDied", attempts + 1)
    it.pool.submit([other])
    assert [each.outcome for each in it.finish(1)] == [Succeeded("done")]
    assert it.pool.mend() == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_slot_that_dies_between_two_jobs_loses_none(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    it, jobs = bench(1), [job(), job()]
    it.gate.set()

    with monkeypatch.context() as while_broken:
        while_broken.setattr(Slot, "after_job", die)
        it.pool.submit(jobs)
        eventually(lambda: not slot_threads())
    it.pool.mend()

    assert [(each.job, each.outcome) for each in it.finish(2)] == [(each, Succeeded("done")) for each in jobs]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_slot_for_which_there_is_no_thread_is_counted_and_replaced_when_there_is(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    it = bench(2)
    with monkeypatch.context() as while_broken:
        while_broken.setattr(Slot, "run", die)
        it.pool.submit([job()])
        eventually(lambda: len(slot_threads()) == 1)
        while_broken.setattr(threading.Thread, "start", refuse)
        assert it.pool.mend() == 1

    assert it.pool.mend() == 2
