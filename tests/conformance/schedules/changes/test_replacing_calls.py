"""Calls that replace the unstarted jobs of equal calls, made at once: one job is left, and nobody waits for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from threading import Barrier
from typing import Any

import pytest
from django.db import connections, transaction

from schedules import background
from schedules.models import Schedule
from tests.app.models import Effect
from tests.conformance.worker.queue.jobs import ALIAS
from worker import queue, roster
from worker.models import FinishedJob, Job

pytestmark = pytest.mark.usefixtures("database")

ROUNDS = 40


@background
def digest(place: str = "eu") -> None: ...


@pytest.mark.parametrize("outer", [False, True], ids=["alone", "in an outer transaction"])
@pytest.mark.parametrize("callers", [2, 8])
def test_of_calls_at_once_that_replace_each_other_one_job_is_left(callers: int, outer: bool) -> None:
    replace = digest.using(remove_existing_tasks=True, schedule=60)

    with at_once(callers, replace.enqueue, outer=outer) as play_round:
        for played in range(1, ROUNDS + 1):
            play_round()
            left = Job.objects.count()
            assert (played, left, FinishedJob.objects.count()) == (played, 1, played * callers - 1)
    assert Effect.objects.count() == (ROUNDS * callers if outer else 0)


def test_calls_at_once_that_repeat_and_replace_leave_one_schedule_and_no_job() -> None:
    repeat = digest.using(remove_existing_tasks=True, schedule=60, repeat=3600)

    with at_once(8, repeat.enqueue, outer=True) as play_round:
        for _ in range(ROUNDS // 4):
            digest(schedule=60)
            play_round()
            assert (Job.objects.count(), Schedule.objects.count()) == (0, 1)


def test_calls_that_replace_and_claims_at_once_end_each_job_once_and_wait_for_nobody_for_ever() -> None:
    replace = digest.using(remove_existing_tasks=True)

    worker = roster.sign_in(ALIAS, "here:1", 1, ())

    def claim_some() -> None:
        for job in queue.claim(ALIAS, worker, limit=2):
            queue.release(ALIAS, [job])

    callers = [replace.enqueue] * 4 + [claim_some] * 4
    with at_once(8, *callers, outer=False) as play_round:
        for _ in range(ROUNDS // 2):
            play_round()
    replace.enqueue()

    assert Job.objects.count() == 1
    assert FinishedJob.objects.count() == ROUNDS // 2 * 4


def test_calls_with_other_arguments_are_left_alone() -> None:
    with at_once(2, lambda: digest.using(remove_existing_tasks=True).enqueue("us"), outer=False) as play_round:
        digest("eu")
        play_round()

    assert sorted(job.args[0] for job in Job.objects.all()) == ["eu", "us"]


@pytest.mark.only_on("sqlite")
def test_where_transactions_of_sqlite_do_not_say_that_they_will_write_callers_wait_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def defer(number: int) -> None:
        connections[ALIAS].transaction_mode = "DEFERRED"  # type: ignore[attr-defined]
        digest(schedule=60, remove_existing_tasks=True)

    with ThreadPoolExecutor(4) as threads:
        for _ in range(ROUNDS // 4):
            list(threads.map(defer, range(4)))
            assert Job.objects.count() == 1
        list(threads.map(lambda _: connections.close_all(), range(4)))


@contextmanager
def at_once(number: int, *calls: Callable[[], Any], outer: bool) -> Iterator[Callable[[], None]]:
    """So many threads, each with a connection of its own, that all begin each round together."""
    together = Barrier(number, timeout=30)

    def begin(place: int) -> None:
        connections[ALIAS].ensure_connection()
        together.wait()
        with transaction.atomic() if outer else nullcontext():
            if outer:
                Effect.objects.create(key=f"by {place}")
            calls[place % len(calls)]()

    def end(_: int) -> None:
        together.wait()
        connections[ALIAS].close()

    with ThreadPoolExecutor(number) as threads:

        def play_round() -> None:
            list(threads.map(begin, range(number)))

        yield play_round
        list(threads.map(end, range(number)))
