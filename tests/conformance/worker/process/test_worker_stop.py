"""Stopping: what runs is finished within its grace, what was not begun goes back, and nothing is lost."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from tests.app.models import Effect
from tests.app.tasks import gates, hold, leave_trace
from tests.conformance.worker.process.workers import Crew, Hand, heard
from tests.conformance.worker.queue.jobs import claim, ids, state_of
from tests.processes import StartProcess, eventually
from worker import signals
from worker.models import Job, WorkerProcess
from worker.process import intake


def begun(crew: Crew, number: int, *, behind: int = 0) -> tuple[Hand, list[int], list[int]]:
    """A worker whose slots are all taken by so many jobs, and that many jobs more in the queue."""
    running = [hold(str(n)).pk for n in range(number)]
    waiting = [leave_trace(f"behind {n}").pk for n in range(behind)]
    hand = crew.start(threads=number)
    eventually(lambda: Effect.objects.count() == number)
    return hand, running, waiting


def states(numbers: list[int]) -> set[str | None]:
    return {state_of(id) for id in numbers}


def test_a_stopped_worker_finishes_what_runs_and_begins_nothing(crew: Crew) -> None:
    hand, running, waiting = begun(crew, 2, behind=3)

    hand.stop()
    eventually(lambda: hand.worker.ending.give_back_at < float("inf"))
    gates["0"].set()
    eventually(lambda: states(running) == {"succeeded", "running"})
    assert hand.works
    gates["1"].set()
    hand.wait()

    assert states(running) == {"succeeded"}
    assert states(waiting) == {"ready"}
    assert ids(claim()) == waiting


def test_what_was_claimed_ahead_goes_back_at_once(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "LONGEST_QUEUEING", 60.0)
    hand, running, _ = begun(crew, 1)
    behind = [leave_trace(f"behind {n}").pk for n in range(3)]
    monkeypatch.setattr(hand.loop.intake.pace, "room", lambda held, slots, most: most - held)  # as after many fast jobs
    hand.worker.wake()
    eventually(lambda: states(behind) == {"running"})

    hand.stop()
    eventually(lambda: states(behind) == {"ready"})

    assert states(running) == {"running"}
    assert Job.objects.filter(pk__in=behind, attempts=0, interruptions=0, claim=None).count() == 3


def test_jobs_that_outlast_the_grace_are_given_back_as_if_not_begun(crew: Crew, settings: Settings) -> None:
    settings.SCHEDULER = {"GRACE": 0.1}
    hand, running, _ = begun(crew, 2)

    with heard(signals.worker_stopped) as stopped:
        hand.stop()
        hand.wait()

    assert states(running) == {"ready"}
    assert Job.objects.filter(pk__in=running, attempts=0, interruptions=0, claim=None).count() == 2
    assert [each["released"] for each in stopped] == [2]


def test_a_second_stop_gives_back_at_once(crew: Crew) -> None:
    hand, running, _ = begun(crew, 2)

    hand.stop()
    eventually(lambda: hand.worker.ending.give_back_at < float("inf"))
    assert hand.works
    hand.stop()
    hand.wait(within=5)

    assert states(running) == {"ready"}


def test_what_a_slot_ends_after_its_worker_gave_it_back_changes_nothing(crew: Crew) -> None:
    hand, (id,), _ = begun(crew, 1)
    hand.stop()
    hand.stop()
    hand.wait()
    before = Job.objects.values().get(pk=id)

    gates["0"].set()
    eventually(lambda: hand.loop.pool.ended())

    assert Job.objects.values().get(pk=id) == before


def test_an_idle_worker_stops_at_once_and_signs_off(crew: Crew) -> None:
    hand = crew.start(longest_sleep=30)
    eventually(lambda: WorkerProcess.objects.count() == 1)

    hand.stop()
    hand.wait(within=5)

    assert WorkerProcess.objects.count() == 0


def test_signs_of_life_go_on_while_a_stopped_worker_finishes(crew: Crew, settings: Settings) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.1}
    hand, _, _ = begun(crew, 1)
    hand.stop()
    eventually(lambda: hand.worker.ending.give_back_at < float("inf"))

    seen = WorkerProcess.objects.get().heartbeat_at
    eventually(lambda: WorkerProcess.objects.get().heartbeat_at > seen)

    gates["0"].set()
    hand.wait()


def test_a_worker_process_ends_by_itself_after_its_duration(database: None, process: StartProcess) -> None:
    done = leave_trace("one").pk

    worker = process("process_tasks", "--duration", "1")

    assert worker.wait(within=30) == 0, worker.output
    assert states([done]) == {"succeeded"}
    assert WorkerProcess.objects.count() == 0
