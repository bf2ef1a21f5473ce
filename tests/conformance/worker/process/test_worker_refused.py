"""A database that refuses for a while what came of jobs: their worker lives on, says so, and records it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import StringIO

import pytest
from django.core.management import call_command
from pytest_django import Settings

from schedules.doctor import work
from tests.app.models import Effect
from tests.app.tasks import fail, gates, hold, leave_trace
from tests.conformance.schedules.doctor.test_doctor import found
from tests.conformance.worker.process.test_worker_held_up import nobody_dies, watch
from tests.conformance.worker.process.workers import Crew, Hand, heard
from tests.conformance.worker.queue.jobs import ALIAS, state_of
from tests.processes import eventually
from tests.refusals import raising, renamed
from worker import queue, signals
from worker.models import FinishedJob, Job, WorkerProcess

HEARTBEAT, RESCUE_AFTER = 0.25, 1.0

Fault = Callable[[], AbstractContextManager[None]]
each_fault = pytest.mark.parametrize(
    "history_takes_nothing",
    [lambda: renamed("worker_finishedjob"), lambda: raising("worker_finishedjob")],
    ids=["its table is away", "its trigger raises"],
)


@pytest.fixture(autouse=True)
def in_a_hurry(settings: Settings) -> None:
    settings.SCHEDULER = {"HEARTBEAT": HEARTBEAT, "RESCUE_AFTER": RESCUE_AFTER}


@contextmanager
def ended_in_vain(crew: Crew, traces: str = "ab", threads: int = 2) -> Iterator[Hand]:
    """A worker whose jobs have ended, and it could not record that."""
    for trace in traces:
        hold(trace)
    hand = crew.start(threads=threads, longest_sleep=0.05)
    eventually(lambda: Effect.objects.count() == len(traces))
    with raising("worker_finishedjob"):
        for trace in traces:
            gates[trace].set()
        eventually(lambda: is_refused(hand))
        yield hand


def is_refused(hand: Hand) -> bool:
    """What came of its jobs, as far as it knows."""
    return hand.id is not None and hand.loop.unrecorded.trouble != ""


def all_have_succeeded_once(number: int) -> bool:
    return (
        FinishedJob.objects.filter(state="succeeded", attempts=1, interruptions=0, errors="").count() == number
        and not Job.objects.exists()
        and Effect.objects.count() == number
    )


@each_fault
def test_what_ended_meanwhile_is_recorded_afterwards_and_nobody_took_its_worker_for_dead(
    crew: Crew, history_takes_nothing: Fault
) -> None:
    for trace in "ab":
        hold(trace)
    hand = crew.start(threads=3, longest_sleep=0.05)
    eventually(lambda: Effect.objects.count() == 2)
    with nobody_dies(), heard(signals.database_lost) as lost:
        with history_takes_nothing():
            for trace in "ab":
                gates[trace].set()
            leave_trace("c")
            watch(3 * RESCUE_AFTER)
            assert Job.objects.filter(state="running").count() == 3
        eventually(lambda: all_have_succeeded_once(3))

    assert lost == []
    assert hand.works


def test_it_is_told_as_long_as_it_lasts(crew: Crew) -> None:
    with ended_in_vain(crew):
        eventually(lambda: WorkerProcess.objects.get().unrecorded == 2)
        told = f"2 jobs of {WorkerProcess.objects.get().name} have ended, and the database refuses to record that: "
        assert f"unrecorded: {told}" in checked()
        assert "not today" in checked()
        assert found(work.problems)["unrecorded"].severity == "error"
    eventually(lambda: all_have_succeeded_once(2))
    eventually(lambda: WorkerProcess.objects.get().unrecorded == 0)

    assert "unrecorded" not in checked()


def test_it_is_told_while_its_table_is_away_too(crew: Crew) -> None:
    crew.start()
    eventually(lambda: WorkerProcess.objects.count() == 1)
    with renamed("worker_finishedjob"):
        leave_trace("one")
        eventually(lambda: WorkerProcess.objects.get().unrecorded == 1)
        told = checked()

    assert "1 job of" in told
    assert told.count("unreadable: Our own tables cannot be read: ") == 1


def test_no_more_jobs_are_begun_than_may_be_kept_and_all_run_once(crew: Crew, settings: Settings) -> None:
    settings.SCHEDULER = {**settings.SCHEDULER, "BATCH_SIZE": 4}
    hand = crew.start(threads=2, longest_sleep=0.05)
    eventually(lambda: hand.id)
    with raising("worker_finishedjob"):
        leave_trace.enqueue_many([((str(n),), {}) for n in range(30)])
        eventually(lambda: hand.loop.unrecorded.is_full)
        watch(RESCUE_AFTER)
        assert Effect.objects.count() < 10

    eventually(lambda: all_have_succeeded_once(30))


def test_a_stopped_worker_tries_until_its_grace_is_over_and_then_leaves_a_note_for_the_next(
    crew: Crew, settings: Settings
) -> None:
    settings.SCHEDULER = {**settings.SCHEDULER, "GRACE": 0.3}
    with heard(signals.outcomes_left) as left, ended_in_vain(crew) as hand:
        hand.stop()
        hand.wait()
        assert [(len(each["noted"]), each["lost"]) for each in left] == [(2, [])]
        assert not WorkerProcess.objects.exists()
        other = crew.start(threads=2)
        eventually(lambda: is_refused(other))

    eventually(lambda: all_have_succeeded_once(2))


def test_a_stopped_worker_ends_when_all_is_recorded(crew: Crew) -> None:
    with heard(signals.outcomes_left) as left:
        with ended_in_vain(crew) as hand:
            hand.stop()
            eventually(lambda: hand.worker.ending.give_back_at < float("inf"))
            assert hand.works
        hand.wait()

    assert left == []
    assert all_have_succeeded_once(2)


def test_what_a_worker_kept_when_it_was_killed_does_not_run_again(crew: Crew) -> None:
    with ended_in_vain(crew):
        eventually(lambda: Job.objects.filter(errors__contains="NotRecorded").count() == 2)
        WorkerProcess.objects.all().delete()
        eventually(lambda: rescued() == 2)
        eventually(lambda: Job.objects.filter(state="running", interruptions=1).count() == 2)

    eventually(lambda: FinishedJob.objects.filter(state="succeeded", attempts=1, errors="").count() == 2)
    assert Effect.objects.count() == 2


def test_a_note_is_found_in_a_job_whose_texts_are_too_long_to_be_claimed_with_it(
    crew: Crew, settings: Settings
) -> None:
    settings.SCHEDULER = {**settings.SCHEDULER, "GRACE": 0.1}
    job = fail("x" * 100_000)
    with raising("worker_finishedjob"):
        hand = crew.start(threads=2, longest_sleep=0.05)
        eventually(lambda: is_refused(hand))
        hand.stop()
        hand.wait()

    crew.start(threads=2)

    eventually(lambda: state_of(job.pk) == "failed")
    assert [each["kind"] for each in FinishedJob.objects.get().error_list] == ["RuntimeError"]


def test_a_run_until_idle_records_what_the_run_before_it_could_not(crew: Crew, settings: Settings) -> None:
    settings.SCHEDULER = {**settings.SCHEDULER, "GRACE": 0.1}
    job = leave_trace("one")
    with raising("worker_finishedjob"):
        crew.work_until_idle()
        assert state_of(job.pk) == "ready"

    crew.work_until_idle()

    assert all_have_succeeded_once(1)


def rescued() -> int:
    """How many jobs were by now. Those whose end is being recorded just now are left for the next time."""
    queue.rescue(ALIAS, 1000)
    return Job.objects.filter(interruptions=1).count()


def checked() -> str:
    out = StringIO()
    with suppress(SystemExit):
        call_command("list_schedule", "--check", stdout=out)
    return out.getvalue()
