"""What a worker loses, and how it goes on: its session, its standing, the answer to a claim."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from django.db import OperationalError, connection, connections, transaction
from pytest_django import Settings

from tests.app.models import Effect
from tests.app.tasks import gates, hold, leave_trace
from tests.conformance.worker.process.workers import Crew, Hand, Session, cut, heard
from tests.conformance.worker.queue.jobs import ALIAS, claim, living_worker, state_of
from tests.processes import eventually
from worker import queue, roster, signals
from worker.clock import database_now
from worker.models import FinishedJob, Job, WorkerProcess
from worker.process import worker as process
from worker.rescue import Rescue
from worker.roster import beat


def session_of(crew: Crew) -> Session:
    """The private session of the only worker."""
    return [each for each in crew.sessions if each.alias == f"{ALIAS}:worker"][-1]


def holding(crew: Crew, traces: str) -> Hand:
    """A worker that runs these jobs, a slot each."""
    for trace in traces:
        hold(trace)
    hand = crew.start(threads=len(traces))
    eventually(lambda: Effect.objects.count() == len(traces))
    return hand


def take_for_dead() -> None:
    """The only worker is struck off the roster, and somebody rescues its jobs."""
    with transaction.atomic():
        WorkerProcess.objects.all().delete()
        queue.rescue(ALIAS, 1000)


# The session


@pytest.mark.own_session
def test_a_worker_whose_session_is_cut_records_what_it_held_and_goes_on(crew: Crew) -> None:
    with heard(signals.database_lost) as lost:
        hand = holding(crew, "ab")
        cut(session_of(crew))
        gates["a"].set()
        gates["b"].set()
        after = leave_trace("c")
        eventually(lambda: state_of(after.pk) == "succeeded")

    assert FinishedJob.objects.filter(state="succeeded", attempts=1, interruptions=0).count() == 3
    assert sorted(Effect.objects.values_list("key", flat=True)) == ["a", "b", "c"]
    assert len(lost) >= 1
    assert hand.works


def test_a_worker_survives_any_number_of_cuts(crew: Crew) -> None:
    hand = crew.start(longest_sleep=0.05)
    # Before it knows that it has signed in, a cut may leave a row for the watcher to strike off.
    eventually(lambda: hand.id)
    for n in range(3):
        seen = len(crew.sessions)
        cut(session_of(crew))
        job = leave_trace(str(n))
        eventually(lambda id=job.pk: state_of(id) == "succeeded")  # type: ignore[misc]
        assert len(crew.sessions) > seen

    assert hand.works
    assert WorkerProcess.objects.count() == 1


@pytest.mark.parametrize(
    "step",
    [
        (process, "database_now"),
        (roster, "sign_in"),
        pytest.param((queue, "release_unheld"), marks=pytest.mark.own_session),
    ],
)
def test_a_worker_that_loses_the_database_while_it_begins_begins_again(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, step: tuple[Any, str]
) -> None:
    module, name = step
    go_on = getattr(module, name)
    failures: list[str] = []

    def do_and_fail_once(*args: Any) -> Any:
        done = go_on(*args)
        if not failures:
            failures.append(name)
            raise OperationalError("the server went away")
        return done

    monkeypatch.setattr(module, name, do_and_fail_once)
    hand = crew.start(longest_sleep=0.05)
    if name == "release_unheld":
        eventually(lambda: hand.id)
        cut(session_of(crew))
    job = leave_trace("one")

    eventually(lambda: state_of(job.pk) == "succeeded")
    assert failures == [name]


@pytest.mark.only_on("postgresql", "mysql")
def test_a_worker_that_finds_no_server_waits_for_it(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """As while the server is restarted."""
    job = leave_trace("one")
    with socket.create_server(("127.0.0.1", 0)) as door:
        nobody = str(door.getsockname()[1])
    with monkeypatch.context() as meanwhile, heard(signals.database_lost) as lost:
        meanwhile.setitem(connection.settings_dict, "PORT", nobody)
        meanwhile.setitem(connections.settings[ALIAS], "PORT", nobody)
        hand = crew.start()
        eventually(lambda: len(lost) >= 2)

    eventually(lambda: state_of(job.pk) == "succeeded")
    assert hand.works


def test_a_claim_whose_answer_was_lost_is_given_back_when_the_worker_is_there_again(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_claim = queue.claim
    lost: list[int] = []

    def claim_and_lose_the_answer(*args: Any, **kwargs: Any) -> Any:
        jobs = real_claim(*args, **kwargs)
        if jobs and not lost:
            lost.extend(job.id for job in jobs)
            raise OperationalError("the server went away after it had committed")
        return jobs

    monkeypatch.setattr(queue, "claim", claim_and_lose_the_answer)
    job = leave_trace("one")
    crew.start()

    eventually(lambda: state_of(job.pk) == "succeeded")

    assert lost == [job.pk]
    assert FinishedJob.objects.get().interruptions == 0


def test_an_outcome_whose_recording_failed_is_recorded_later(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    real_ack = queue.ack
    failures: list[int] = []

    def fail_twice(using: str, ended: Any, worker: str = "") -> Any:
        if ended and len(failures) < 2:
            failures.append(len(ended))
            raise OperationalError("the server is full")
        return real_ack(using, ended, worker)

    monkeypatch.setattr(queue, "ack", fail_twice)
    job = leave_trace("one")
    crew.start()

    eventually(lambda: state_of(job.pk) == "succeeded")

    assert failures == [1, 1]
    assert Effect.objects.count() == 1
    assert FinishedJob.objects.get().attempts == 1


def test_a_database_that_takes_nothing_is_asked_ever_more_seldom(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one whose disk is full: it can be reached and read, so coming to it is no success."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OperationalError("the disk is full")

    with monkeypatch.context() as meanwhile, heard(signals.database_lost) as lost:
        meanwhile.setattr(roster, "beat", refuse)
        hand = crew.start()
        eventually(lambda: len(lost) >= 5)
    delays = [each["retry_in"] for each in lost]

    assert delays == [0.02 * 2**n for n in range(len(delays))]
    job = leave_trace("one")
    eventually(lambda: state_of(job.pk) == "succeeded")
    assert hand.works


def test_what_fails_after_each_sign_of_life_is_tried_ever_more_seldom_too(crew: Crew) -> None:
    """As where one table may not be read, or misses a column: the rest of the database is there."""

    def unreadable(using: str) -> None:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT missing FROM schedules_leadership")

    with heard(signals.database_lost) as lost:
        hand = crew.start(leader_sign=unreadable)
        eventually(lambda: len(lost) >= 7)
    delays = [each["retry_in"] for each in lost]

    assert delays == [0.02 * 2**n for n in range(len(delays))]
    assert sum(each.alias == f"{ALIAS}:worker" for each in crew.sessions) <= len(lost) + 1
    assert hand.works


# The end without it


@contextmanager
def database_away(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For the workers, until the block ends."""

    def refuse(*_: Any) -> NoReturn:
        raise OperationalError("the server is away")

    with monkeypatch.context() as meanwhile, heard(signals.database_lost) as lost:
        meanwhile.setattr(process, "private_connection", refuse)
        cut(session_of(crew))
        crew.hands[0].worker.wake()
        eventually(lambda: len(lost) >= 2)
        yield


def test_a_worker_that_is_stopped_before_the_database_ever_answered_says_why_it_did_nothing(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise OperationalError("the server is away")

    with monkeypatch.context() as meanwhile, heard(signals.database_lost) as lost:
        meanwhile.setattr(process, "private_connection", refuse)
        hand = crew.start()
        eventually(lambda: lost)
        hand.stop()
        with pytest.raises(OperationalError, match="the server is away"):
            hand.wait(within=5)
    hand.failure = None

    assert hand.id is None


@pytest.mark.own_session
def test_an_idle_worker_ends_at_once_and_without_an_error(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = crew.start()
    eventually(lambda: hand.id)
    with database_away(crew, monkeypatch), heard(signals.worker_stopped) as stopped:
        hand.stop()
        hand.wait(within=5)

    assert [each["signed_off"] for each in stopped] == [False]


@pytest.mark.own_session
def test_what_runs_has_its_grace_and_is_recorded_when_the_database_is_back(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = holding(crew, "a")
    with database_away(crew, monkeypatch), heard(signals.worker_stopping) as stopping:
        hand.stop()
        eventually(lambda: stopping)
        gates["a"].set()
        assert hand.works
    with heard(signals.worker_stopped) as stopped:
        hand.wait()

    assert [each["signed_off"] for each in stopped] == [True]
    assert FinishedJob.objects.filter(state="succeeded", interruptions=0).count() == 1


@pytest.mark.own_session
def test_when_its_grace_is_over_it_ends_and_others_rescue_what_it_held(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.SCHEDULER = {"GRACE": 0.1}
    hand = holding(crew, "a")
    with database_away(crew, monkeypatch), heard(signals.worker_stopped) as stopped:
        hand.stop()
        hand.wait()

    assert [each["signed_off"] for each in stopped] == [False]
    take_for_dead()
    assert Job.objects.filter(state="ready", interruptions=1, attempts=0).count() == 1


# The standing


def test_a_worker_that_was_taken_for_dead_signs_in_anew_and_its_late_outcomes_are_lost(
    crew: Crew, settings: Settings
) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.2}
    with heard(signals.worker_declared_dead) as dead, heard(signals.job_lost) as lost:
        hand = holding(crew, "a")
        job = Job.objects.get()
        first_id = hand.id

        take_for_dead()
        (heirs,) = claim(worker_id=living_worker())
        eventually(lambda: dead)
        gates["a"].set()
        eventually(lambda: lost)

    assert [each["job"].id for each in lost] == [job.pk]
    assert state_of(job.pk) == "running"
    assert Job.objects.get().claim == heirs.claim
    assert hand.id != first_id
    assert beat(ALIAS, hand.id or 0)

    after = leave_trace("after")
    eventually(lambda: state_of(after.pk) == "succeeded")


def test_signs_of_life_cover_jobs_that_run_longer_than_the_silence(crew: Crew, settings: Settings) -> None:
    settings.SCHEDULER = {"HEARTBEAT": 0.1, "RESCUE_AFTER": 0.5}
    hand = holding(crew, "a")
    began = WorkerProcess.objects.get().started_at

    rescue = Rescue()

    def a_second_later() -> bool:
        assert rescue.look(ALIAS) == 0
        return (database_now(ALIAS) - began).total_seconds() > 1

    eventually(a_second_later)
    gates["a"].set()
    eventually(lambda: FinishedJob.objects.filter(state="succeeded").count() == 1)
    assert hand.works


# What may have killed others


def test_a_worker_holds_one_job_at_a_time_whose_next_interruption_is_its_last(crew: Crew) -> None:
    """So if it dies, it is known which of them it was running."""
    suspects = [hold(str(n)) for n in range(3)]
    Job.objects.update(interruptions=queue.MOST_INTERRUPTIONS - 1)
    hand = crew.start(threads=4, longest_sleep=0.05)

    for n, suspect in enumerate(suspects):
        eventually(lambda id=suspect.pk: state_of(id) == "running")  # type: ignore[misc]
        other = leave_trace(f"beside {n}")
        eventually(lambda id=other.pk: state_of(id) == "succeeded")  # type: ignore[misc]
        assert [state_of(each.pk) for each in suspects[n + 1 :]] == ["ready"] * (2 - n)
        gates[str(n)].set()

    eventually(lambda: FinishedJob.objects.filter(state="succeeded", interruptions=2).count() == 3)
    assert hand.works
