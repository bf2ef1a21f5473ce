"""A worker that lives is never taken for dead: what keeps it from giving signs of life keeps others from missing it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from tests.app.models import Effect
from tests.app.tasks import gates, hold, leave_trace
from tests.conformance.worker.process.workers import Crew, Session, heard, unled
from tests.conformance.worker.queue.jobs import ALIAS, claim, enqueue, living_worker, state_of
from tests.locks import locked_for
from tests.processes import eventually
from worker import roster, signals
from worker.clock import database_now
from worker.dialects import dialect_of
from worker.models import FinishedJob, Job, WorkerProcess
from worker.process import deputy as deputies
from worker.process.deputy import Deputy
from worker.rescue import Rescue

pytestmark = pytest.mark.usefixtures("database")

HEARTBEAT, RESCUE_AFTER = 0.25, 1.0
OURS = ["worker_workerprocess", "worker_job", "worker_finishedjob"]


@pytest.fixture(autouse=True)
def in_a_hurry(settings: Settings) -> None:
    settings.SCHEDULER = {"HEARTBEAT": HEARTBEAT, "RESCUE_AFTER": RESCUE_AFTER}


def sessions_for_signs_of_life(crew: Crew) -> list[Session]:
    return [each for each in crew.sessions if each.alias == f"{ALIAS}:pulse"]


@contextmanager
def nobody_dies() -> Iterator[None]:
    """However often it is looked for the dead meanwhile, nobody is taken for one of them."""
    with heard(signals.worker_declared_dead) as dead, heard(signals.jobs_rescued) as rescued:
        before = set(WorkerProcess.objects.values_list("pk", flat=True))
        yield
    assert (dead, rescued) == ([], [])
    assert before <= set(WorkerProcess.objects.values_list("pk", flat=True))


def watch(seconds: float) -> None:
    """As a leader would that does nothing else."""
    rescue, until = Rescue(), time.monotonic() + seconds
    eventually(lambda: rescue.look(ALIAS) or time.monotonic() > until, within=60)


@pytest.mark.parametrize("tables", [*([each] for each in OURS), OURS], ids=lambda tables: " ".join(tables))
def test_a_lock_that_is_longer_than_the_silence_of_the_dead_buries_nobody(crew: Crew, tables: list[str]) -> None:
    """Two workers, one that ends jobs and one whose job runs on, and somebody who looks for the dead."""
    held = hold("runs on")
    crew.start(threads=1)
    eventually(Effect.objects.exists)
    crew.start(threads=1, longest_sleep=0.05)
    eventually(lambda: WorkerProcess.objects.count() == 2)
    with nobody_dies():
        with locked_for(3 * RESCUE_AFTER, tables):
            watch(3 * RESCUE_AFTER)
        watch(2 * RESCUE_AFTER)
        done = leave_trace("afterwards")
        eventually(lambda: state_of(done.pk) == "succeeded")
        gates["runs on"].set()
        eventually(lambda: state_of(held.pk) == "succeeded")

    assert set(FinishedJob.objects.values_list("attempts", "interruptions")) == {(1, 0)}
    assert Effect.objects.count() == 2


@pytest.mark.parametrize("tables", [["worker_finishedjob"], OURS], ids=lambda tables: " ".join(tables))
def test_what_ended_behind_a_lock_is_recorded_when_it_is_over_and_runs_once(crew: Crew, tables: list[str]) -> None:
    held = hold("ends")
    crew.start(threads=1)
    eventually(Effect.objects.exists)
    with nobody_dies(), locked_for(3 * RESCUE_AFTER, tables):
        gates["ends"].set()
        watch(3 * RESCUE_AFTER)

    eventually(lambda: state_of(held.pk) == "succeeded")
    assert FinishedJob.objects.get().interruptions == 0
    assert Effect.objects.count() == 1


def test_a_loop_that_is_held_up_by_a_receiver_is_not_dead(crew: Crew) -> None:
    done = leave_trace("a")

    def take_time(**_: Any) -> None:
        gates["receiver"].wait(timeout=30)

    held = hold("b")
    signals.job_ended.connect(take_time)
    try:
        crew.start(threads=2)
        eventually(lambda: state_of(done.pk) == "succeeded" and Effect.objects.count() == 2)
        with nobody_dies():
            watch(3 * RESCUE_AFTER)
            gates["receiver"].set()
            gates["b"].set()
            eventually(lambda: state_of(held.pk) == "succeeded")
            eventually(lambda: not any(each.connection.connection for each in sessions_for_signs_of_life(crew)))
    finally:
        signals.job_ended.disconnect(take_time)

    assert sessions_for_signs_of_life(crew)


def test_a_loop_in_time_gives_its_signs_of_life_itself(crew: Crew) -> None:
    crew.start()
    eventually(WorkerProcess.objects.exists)
    seen: set[Any] = set()
    eventually(lambda: seen.add(WorkerProcess.objects.get().heartbeat_at) or len(seen) > 5)  # type: ignore[func-returns-value]

    assert sessions_for_signs_of_life(crew) == []


def test_a_time_in_which_the_database_takes_nothing_buries_nobody(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when it may only be read: each write is refused at once, and tried again ever more seldom."""
    hold("runs on")
    crew.start(threads=1, leader_sign=unled)
    crew.start(threads=1, leader_sign=unled)
    eventually(lambda: WorkerProcess.objects.count() == 2 and Effect.objects.exists())

    def refuse(*_: Any, **__: Any) -> Any:
        raise OperationalError("cannot execute UPDATE in a read-only transaction")

    with nobody_dies():
        with monkeypatch.context() as meanwhile:
            for write in ("beat", "touch", "strike_off"):
                meanwhile.setattr(roster, write, refuse)
            until = time.monotonic() + 3 * RESCUE_AFTER
            eventually(lambda: time.monotonic() > until)
        watch(2 * RESCUE_AFTER)
        gates["runs on"].set()
        eventually(lambda: FinishedJob.objects.filter(interruptions=0).count() == 1)


@pytest.mark.parametrize("seconds", [-86_400, -3_600, -60, -1, 1, 60, 3_600, 86_400])
def test_a_clock_that_is_set_buries_nobody_and_saves_no_dead(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(deputies, "LEADER_MISSED_AFTER", 0.5)
    monkeypatch.setattr(deputies, "LOOK_FOR_LEADER_EVERY", 0.1)
    dead = living_worker()
    orphan = enqueue()
    claim(worker_id=dead)
    held = hold("runs on")
    with heard(signals.worker_declared_dead) as taken_for_dead, heard(signals.jobs_rescued) as rescued:
        crew.start(threads=1, leader_sign=unled)
        crew.start(threads=1, leader_sign=unled)
        eventually(lambda: WorkerProcess.objects.count() == 3 and Effect.objects.exists())
        set_clock(monkeypatch, seconds)
        eventually(lambda: rescued, within=20)

    assert not WorkerProcess.objects.filter(pk=dead).exists()
    assert taken_for_dead == []
    assert Job.objects.get(pk=orphan).interruptions == 1
    assert Job.objects.get(pk=held.pk).interruptions == 0
    assert Effect.objects.count() == 1


def test_a_run_until_idle_does_what_a_killed_run_left(crew: Crew) -> None:
    """As plain cron would start them. The next run stays until it knows that the one before is dead."""
    job = leave_trace("left")
    claim(worker_id=living_worker())
    WorkerProcess.objects.update(heartbeat_at=database_now(ALIAS) - timedelta(minutes=1))

    crew.work_until_idle()

    assert state_of(job.pk) == "succeeded"
    assert FinishedJob.objects.get().interruptions == 1
    assert not WorkerProcess.objects.exists()


def test_a_run_until_idle_ends_at_once_beside_one_that_works(
    crew: Crew, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it watched for as long as the dead are silent, it would not end within this test."""
    settings.SCHEDULER = {"HEARTBEAT": 5, "RESCUE_AFTER": 600}
    answers: list[bool] = []
    ask = Deputy.is_undecided

    def answer(deputy: Deputy, using: str) -> bool:
        answers.append(ask(deputy, using))
        return answers[-1]

    monkeypatch.setattr(Deputy, "is_undecided", answer)
    job = hold("a")
    crew.start(threads=1)
    eventually(Effect.objects.exists)

    crew.work_until_idle()

    assert answers == [False]
    assert state_of(job.pk) == "running"


def test_delayed_jobs_run_though_the_last_leader_left_a_sign_of_life_in_the_future(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's clock was an hour ahead, nobody leads any more, and it was set right."""
    monkeypatch.setattr(deputies, "LEADER_MISSED_AFTER", 0.5)
    monkeypatch.setattr(deputies, "LOOK_FOR_LEADER_EVERY", 0.1)
    with monkeypatch.context() as meanwhile:
        set_clock(meanwhile, 3_600)
        far_off = leave_trace.using(schedule=60).enqueue("dated by the wrong clock")
        crew.start(leader_sign=lambda using: "an hour ahead")
        eventually(WorkerProcess.objects.exists)

    due = leave_trace.using(schedule=0.5).enqueue("due")

    eventually(lambda: state_of(due.pk) == "succeeded")
    assert state_of(far_off.pk) == "scheduled"


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Whatever is dated by the database's clock from now on, it is wrong by so much."""
    words = type(dialect_of(connection).words)
    for name, sql in _SET[connection.vendor](words.__dict__).items():
        monkeypatch.setattr(words, name, sql.replace("SHIFT", f"{seconds:+}"))


def _shifted(form: str) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    def shifted(words: Mapping[str, Any]) -> dict[str, str]:
        return {name: form.format(words[name]) for name in ("now", "later", "written", "later_than_written")}

    return shifted


_SET: dict[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "postgresql": _shifted("({} + SHIFT * interval '1 second')"),
    "mysql": _shifted("({} + INTERVAL SHIFT SECOND)"),
    "sqlite": lambda words: {
        name: words[name].replace("'now'", "'now', 'SHIFT seconds'")
        for name in ("now", "later", "written", "later_than_written")
    },
}
